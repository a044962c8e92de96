"""Pipes under the streets: networks of all CJJ 61-2017 classes whose lines end on nodes."""

import heapq
import itertools
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely import LineString

from city.frame import TURN_DEG, core_river
from city.noise import scatter
from city.streets import Street
from city.terrain import height

#: Longest segment between two survey points, metres.
_STEP_M = 62.0
#: Drains are not laid deeper than this, metres.
_DEEPEST_M = 7.0


@dataclass(frozen=True)
class Network:
    """A class of pipes: where it runs, how deep (m), of what, and how wide (mm) it gets."""

    major: str
    minor: str
    offset: float
    streets: tuple[str, ...]
    reach: float
    depth: float
    gravity: bool
    material: str
    sizes: tuple[str, str]
    embed: str
    owner: tuple[str, str]
    pressure: str = ""
    voltage: str = ""
    cables: int = 0
    holes: int = 0


_MAINS = ("trunk", "primary")
_MIDDLE = ("trunk", "primary", "secondary")
NETWORKS = (
    Network("JS", "JP", 5.5, _MIDDLE, 1500, 1.1, False, "球墨铸铁", ("DN400", "DN200"), "ZM",
            ("咸宁市自来水公司", "")),
    Network("PS", "YS", -2.2, _MIDDLE, 1400, 1.5, True, "钢筋混凝土", ("DN1000", "DN600"), "ZM",
            ("咸宁市市政管理处", "")),
    Network("PS", "WS", 1.6, _MIDDLE, 1400, 2.0, True, "HDPE", ("DN600", "DN400"), "ZM",
            ("咸宁市排水公司", "")),
    Network("RQ", "TR", -5.6, _MIDDLE, 1150, 1.2, False, "PE100", ("DN250", "DN160"), "ZM",
            ("咸宁中燃城市燃气公司", ""), "中压B"),
    Network("RL", "RS", 7.2, ("primary",), 700, 1.4, False, "预制保温钢管", ("DN300", "DN200"),
    "ZM",
            ("咸宁温泉热力公司", "")),
    Network("DL", "GD", -7.4, _MAINS, 1500, 0.9, False, "铜", ("1000×600", "600×400"), "GK",
            ("国网咸宁供电公司", ""), voltage="10", cables=6, holes=12),
    Network("DL", "LD", -8.6, _MAINS, 700, 0.7, False, "铜", ("DN50", "DN50"), "GM",
            ("咸宁市路灯管理所", ""), voltage="0.4", cables=1),
    Network("TX", "XX", 8.6, _MAINS, 1300, 0.9, False, "光纤", ("400×300", "300×200"), "GK",
            ("中国电信咸宁分公司", ""), cables=4, holes=9),
    Network("TX", "DS", 9.6, ("primary",), 800, 0.8, False, "光纤", ("200×100", "200×100"), "GK",
            ("湖北广电网络咸宁分公司", ""), cables=2, holes=4),
    Network("GY", "YQ", 6.6, _MIDDLE, 4000, 1.3, False, "钢", ("DN150", "DN100"), "ZM",
            ("咸宁高新区工业气体公司", "")),
    Network("QT", "BM", -9.4, ("secondary",), 420, 1.0, False, "不明", ("DN200", "DN200"), "ZM",
            ("权属不明", "")),
)  # fmt: skip
_POINTS: dict[str, tuple[str, str]] = {
    "JS": ("阀门", "消防栓"), "PS": ("窨井", "雨水箅"), "RQ": ("阀门", "调压箱"),
    "RL": ("阀门", "窨井"), "DL": ("人孔", "接线箱"), "TX": ("人孔", "手孔"),
    "GY": ("阀门", "阀门"), "QT": ("窨井", "窨井"),
}  # fmt: skip


@dataclass
class Node:
    """A pipe node: number, position, ground and pipe heights (1985, m), what it is."""

    key: str
    network: Network
    east: float
    north: float
    ground: float
    pipe: float
    year: int
    road: str
    degree: int = 0
    feature: str = ""
    fixture: str = ""


@dataclass
class Pipe:
    """A pipe from one node to the next; drains run downhill from start to end."""

    start: Node
    end: Node
    size: str
    year: int
    road: str

    @property
    def line(self) -> LineString:
        """The axis with heights."""
        return LineString([(n.east, n.north, n.pipe) for n in (self.start, self.end)])


@dataclass
class _Graph:
    places: dict[tuple[float, float], int] = field(default_factory=dict)
    nodes: list[tuple[float, float]] = field(default_factory=list)
    edges: dict[tuple[int, int], tuple[int, str, str]] = field(default_factory=dict)

    def node(self, place: tuple[float, float]) -> int:
        """Return the number of the node at a place, new or known."""
        key = (round(place[0], 2), round(place[1], 2))
        if key not in self.places:
            self.places[key] = len(self.nodes)
            self.nodes.append(place)
        return self.places[key]


def _graph(streets: list[Street], network: Network, centre: tuple[float, float]) -> _Graph:
    graph = _Graph()
    angle = np.radians(TURN_DEG)
    shift = network.offset * np.array(
        [np.cos(angle) + np.sin(angle), np.cos(angle) - np.sin(angle)]
    )
    for street in streets:
        middle = street.line.interpolate(0.5, normalized=True)
        away = float(np.hypot(middle.x - centre[0], middle.y - centre[1]))
        if street.kind not in network.streets or away > network.reach or street.group >= 10_000:
            continue
        if network.minor == "YQ" and not (
            middle.x - centre[0] > 900 and middle.y - centre[1] > 300
        ):
            continue
        count = max(1, int(np.ceil(street.line.length / _STEP_M)))
        points = shapely.get_coordinates(
            shapely.line_interpolate_point(street.line, np.linspace(0, 1, count + 1),
                                           normalized=True)) + shift  # fmt: skip
        stops = [graph.node((float(x), float(y))) for x, y in points]
        for a, b in itertools.pairwise(stops):
            if a != b and (b, a) not in graph.edges:
                graph.edges.setdefault((a, b), (street.year, street.kind, street.name[0]))
    return _main_part(graph)


def _main_part(graph: _Graph) -> _Graph:
    """Keep the largest connected part: a network has no stray pieces."""
    parent = list(range(len(graph.nodes)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in graph.edges:
        parent[root(a)] = root(b)
    sizes: dict[int, int] = {}
    for item in range(len(graph.nodes)):
        sizes[root(item)] = sizes.get(root(item), 0) + 1
    if sizes:
        best = max(sizes, key=lambda item: (sizes[item], -item))
        graph.edges = {e: v for e, v in graph.edges.items() if root(e[0]) == best}
    return graph


def _drain(
    graph: _Graph, ground: list[float], depth: float
) -> tuple[dict[int, int], dict[int, float]]:
    """Return for each node the one it drains to, and inverts that fall all the way down."""
    near: dict[int, list[tuple[int, float]]] = {}
    for a, b in graph.edges:
        length = float(np.hypot(graph.nodes[a][0] - graph.nodes[b][0],
                                graph.nodes[a][1] - graph.nodes[b][1]))  # fmt: skip
        near.setdefault(a, []).append((b, length))
        near.setdefault(b, []).append((a, length))
    # Drains end where they reach the river, or else at the lowest node.
    river = LineString(core_river())
    places = np.asarray(shapely.points(np.asarray(graph.nodes)), object)
    away = np.atleast_1d(shapely.distance(places, river))
    outfalls = [item for item in sorted(near) if away[item] < 105]
    outfalls = outfalls or [min(near, key=lambda item: (ground[item], item))]
    cost, to, order = dict.fromkeys(outfalls, 0.0), dict.fromkeys(outfalls, -1), []
    queue = [(0.0, outfall) for outfall in outfalls]
    span = dict.fromkeys(outfalls, 0.0)
    while queue:
        done, here = heapq.heappop(queue)
        if done > cost[here]:
            continue
        order.append(here)
        for there, length in near[here]:
            climb = max(0.0, ground[here] - ground[there])
            total = done + length + 120 * climb
            if total < cost.get(there, 1e18):
                cost[there], to[there], span[there] = total, here, length
                heapq.heappush(queue, (total, there))
    invert = _inverts(order, to, span, ground, depth)
    while ground[deepest := min(invert, key=lambda n: (invert[n] - ground[n], n))] > (
        invert[deepest] + _DEEPEST_M
    ):
        # What would have to be drained through a hill is left to a later pumping scheme.
        above = [node for node in invert if to[node] == deepest]
        gone = {min(above, key=lambda n: (invert[n], n))}
        for node in order:  # outfalls first, so a node comes after the one it drains to
            if to.get(node) in gone:
                gone.add(node)
        order = [node for node in order if node not in gone]
        to = {node: down for node, down in to.items() if node not in gone}
        invert = _inverts(order, to, span, ground, depth)
    return to, invert


def _inverts(
    order: list[int], to: dict[int, int], span: dict[int, float], ground: list[float], depth: float
) -> dict[int, float]:
    """Return inverts at least ``depth`` below ground that fall by 0.25 % and more downstream."""
    invert = {node: ground[node] - depth for node in order}
    for node in reversed(order):
        if to[node] >= 0:
            fall = invert[node] - max(0.0025 * span[node], 0.02)
            invert[to[node]] = min(invert[to[node]], fall)
    return invert


def _describe(node: Node, number: int) -> None:
    """Set the node's feature or fixture: exactly one of them, by its degree."""
    wells = node.network.gravity or node.network.major in ("DL", "TX")
    main, second = _POINTS[node.network.major]
    chance = float(scatter(number, 7, 301))
    if wells and node.degree != 2:
        node.fixture = main
    elif node.degree >= 4:
        node.feature = "四通"
    elif node.degree == 3:
        node.feature = "三通"
    elif node.degree == 1:
        node.feature = "预留口"
    elif wells:
        node.fixture = main if chance < 0.8 else second
    elif chance < 0.14:
        node.fixture = main
    elif chance < 0.24:
        node.fixture = second
    else:
        node.feature = "直线点"


def lay(streets: list[Street], centre: tuple[float, float]) -> tuple[list[Node], list[Pipe]]:
    """Return all nodes and pipes; each has the epoch index in which it was laid."""
    nodes: list[Node] = []
    pipes: list[Pipe] = []
    for network in NETWORKS:
        graph = _graph(streets, network, centre)
        if not graph.edges:
            continue
        ground = [round(float(h), 3) for h in height(*np.asarray(graph.nodes).T)]
        own, made = _lay_one(network, graph, ground)
        nodes += own
        pipes += made
    return nodes, pipes


def _lay_one(network: Network, graph: _Graph, ground: list[float]) -> tuple[list[Node], list[Pipe]]:
    to: dict[int, int] = {}
    invert: dict[int, float] = {}
    if network.gravity:
        to, invert = _drain(graph, ground, network.depth)
    used: dict[int, Node] = {}

    def node(index: int, year: int, road: str) -> Node:
        if index not in used:
            pipe = invert.get(index, ground[index] - network.depth)
            place = graph.nodes[index]
            used[index] = Node(f"{network.minor}{index + 1:04d}", network, round(place[0], 3),
                               round(place[1], 3), ground[index], round(pipe, 3), year,
                               road)  # fmt: skip
        used[index].year = min(used[index].year, year)
        used[index].degree += 1
        return used[index]

    pipes = []
    for (a, b), (year, kind, road) in graph.edges.items():
        if network.gravity and to.get(a) != b and to.get(b) != a:
            continue
        if network.gravity and to.get(b) == a:
            start, end = b, a
        else:
            start, end = a, b
        size = network.sizes[0 if kind in _MAINS else 1]
        pipes.append(Pipe(node(start, year, road), node(end, year, road), size, year, road))
    for index, item in used.items():
        _describe(item, index)
    return list(used.values()), pipes
