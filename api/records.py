"""The records of the catalogue: one for each layer, map, survey and series of imagery.

Records are made for one kind of viewer: what he may not know of is in none of their words, so no
search can find it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from api.export_registry import export_formats
from gis.times import BEIJING
from layers.access import Viewer, access_class
from layers.catalogue import Catalogue
from layers.catalogue_reading import LayerFacts, SurveyFacts
from layers.definition import Bilingual, LayerDefinition, ShareLevel, Theme
from layers.feature_query import BBox
from layers.map_definition import MapDefinition
from layers.scenes import SceneSeries

CONFORMS = "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core"


class RecordType(StrEnum):
    """What a record is about."""

    DATASET = "dataset"
    MAP = "map"
    SURVEY = "survey"
    SERIES = "series"


TYPE_NAMES: Mapping[RecordType, Bilingual] = {
    RecordType.DATASET: Bilingual(zh="图层", en="Layer"),
    RecordType.MAP: Bilingual(zh="地图", en="Map"),
    RecordType.SURVEY: Bilingual(zh="测绘成果", en="Survey"),
    RecordType.SERIES: Bilingual(zh="影像系列", en="Imagery series"),
}
THEME_NAMES: Mapping[Theme, Bilingual] = {
    Theme.LAND: Bilingual(zh="土地", en="Land"),
    Theme.MINERAL: Bilingual(zh="矿产", en="Minerals"),
    Theme.HAZARD: Bilingual(zh="地质灾害", en="Geological hazards"),
    Theme.PIPELINE: Bilingual(zh="管线管廊", en="Pipelines"),
    Theme.BUILDING: Bilingual(zh="建筑", en="Buildings"),
    Theme.IMAGERY: Bilingual(zh="遥感影像", en="Imagery"),
    Theme.COMPONENT: Bilingual(zh="城市部件", en="City components"),
    Theme.TOURISM: Bilingual(zh="旅游", en="Tourism"),
    Theme.FRAMEWORK: Bilingual(zh="基础地理", en="Framework"),
    Theme.QUALITY: Bilingual(zh="数据质量", en="Data quality"),
}
#: Opening to the public, as the guide to government information catalogues (2017) has it.
OPEN_NAMES: Mapping[ShareLevel, Bilingual] = {
    ShareLevel.UNCONDITIONAL: Bilingual(zh="公开", en="Open"),
    ShareLevel.CONDITIONAL: Bilingual(zh="受控", en="On conditions"),
    ShareLevel.CLOSED: Bilingual(zh="不公开", en="Not open"),
}
_SHARE_NAMES: Mapping[ShareLevel, Bilingual] = {
    ShareLevel.UNCONDITIONAL: Bilingual(zh="无条件共享", en="shared between departments"),
    ShareLevel.CONDITIONAL: Bilingual(zh="有条件共享", en="shared on conditions"),
    ShareLevel.CLOSED: Bilingual(zh="不予共享", en="not shared"),
}
_JSON, _GEOJSON, _HTML = "application/json", "application/geo+json", "text/html"
_VECTOR_TILES = "application/vnd.mapbox-vector-tile"
_STYLE = "application/vnd.mapbox.style+json"


@dataclass(frozen=True, slots=True)
class RecordLink:
    """A link of a record; the address begins after that of the service."""

    path: str
    rel: str
    media_type: str
    title: str


@dataclass(frozen=True)
class Record:
    """One record."""

    id: str
    type: RecordType
    title: Bilingual
    abstract: Bilingual
    keywords: tuple[str, ...]
    theme: Theme | None
    #: Opening to the public; ``None`` where the record is about no data of its own.
    open: ShareLevel | None
    share: ShareLevel | None
    #: West, south, east, north in degrees.
    bbox: BBox | None
    #: The time it is about; without a start it is about none, without an end it still is.
    start: datetime | None
    end: datetime | None
    created: datetime | None
    updated: datetime | None
    #: Scheme and value.
    external_ids: tuple[tuple[str, str], ...]
    contact: Bilingual | None
    formats: tuple[tuple[str, str], ...]
    links: tuple[RecordLink, ...]
    #: Further properties.
    more: Mapping[str, Any]
    #: Further words that find it.
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class CatalogueFacts:
    """What is read from the database for the records."""

    layers: Mapping[str, LayerFacts]
    surveys: Sequence[SurveyFacts]
    series: Sequence[SceneSeries]


def both(text: Bilingual) -> str:
    """Return a text in both languages, on one line."""
    return f"{text.zh} / {text.en}"


def make_records(
    catalogue: Catalogue, layers: Sequence[LayerDefinition], viewer: Viewer, facts: CatalogueFacts
) -> list[Record]:
    """Return all records that a viewer may know of.

    Args:
        catalogue: The definitions.
        layers: The layers that he may know of.
        viewer: Who asks.
        facts: What the database has about them.
    """
    known = {layer.name: layer for layer in layers}
    return [
        *(_layer_record(layer, catalogue, viewer, facts.layers.get(layer.name))
          for layer in layers),
        *(_map_record(entry, known) for entry in catalogue.maps.values()),
        *(_series_record(known[entry.layer], catalogue, entry, facts.layers.get(entry.layer))
          for entry in facts.series if entry.layer in known),
        *(_survey_record(known[entry.layer], entry, facts.layers.get(entry.layer))
          for entry in facts.surveys if entry.layer in known),
    ]  # fmt: skip


def _layer_record(
    layer: LayerDefinition, catalogue: Catalogue, viewer: Viewer, facts: LayerFacts | None
) -> Record:
    here = f"/api/collections/{layer.name}"
    downloads = [
        RecordLink(
            f"{here}/items?f={entry.representation.tokens[0]}",
            "enclosure",
            entry.representation.media_type,
            f"下载 {entry.name.upper()} / Download as {entry.name.upper()}",
        )
        for entry in export_formats()
    ]
    standards = tuple(part.strip() for part in (layer.standard or "").split(",") if part.strip())
    links = [
        RecordLink(f"{here}/items", "items", _GEOJSON, "要素 / Features"),
        RecordLink(here, "describes", _JSON, "图层 / The layer"),
        RecordLink(f"{here}/schema", "describedby", "application/schema+json", "字段 / Fields"),
        RecordLink(f"{here}/tiles", "tilesets", _JSON, "矢量瓦片 / Vector tiles"),
        RecordLink(f"/api/loads?layer={layer.name}", "history", _JSON, "历次入库 / Loads"),
    ]
    if layer.style:
        links.append(RecordLink(f"/api/styles/layer.{layer.name}", "style", _STYLE, "样式 / Style"))
    shown = [layer.field(name) for name in access_class(layer, viewer).fields]
    words = [text for field in shown for text in (field.title.zh, field.title.en, field.name)]
    for field in shown:
        words.extend(_code_names(field.codes, catalogue))
    more: dict[str, Any] = {"layer": layer.name}
    if facts is not None:
        more["featureCount"] = facts.count
    if layer.update_cycle is not None:
        more["updateCycle"] = both(layer.update_cycle)
    return Record(
        id=f"layer.{layer.name}",
        type=RecordType.DATASET,
        title=layer.title,
        abstract=layer.abstract,
        keywords=(*_theme_words(layer.theme), *standards),
        theme=layer.theme,
        open=layer.access.open,
        share=layer.access.share,
        bbox=facts.bbox if facts else None,
        start=facts.valid_from if facts else None,
        end=None,
        created=facts.created_at if facts else None,
        updated=facts.updated_at if facts else None,
        external_ids=tuple(("standard", text) for text in standards),
        contact=layer.provider,
        formats=(
            ("GeoJSON", _GEOJSON),
            ("Mapbox Vector Tiles", _VECTOR_TILES),
            *((entry.name.upper(), entry.representation.media_type) for entry in export_formats()),
        ),
        links=(*links, *downloads),
        more=more,
        words=(*words, layer.name),
    )  # fmt: skip


def _code_names(codes: str | None, catalogue: Catalogue) -> Iterator[str]:
    if codes is not None:
        for code in catalogue.code_list(codes).codes.values():
            yield code.name_zh
            yield code.name_en


def _map_record(city_map: MapDefinition, known: Mapping[str, LayerDefinition]) -> Record:
    name = city_map.name
    layers = [known[entry.layer] for entry in city_map.layers if entry.layer in known]
    themes = dict.fromkeys(layer.theme for layer in layers)
    return Record(
        id=f"map.{name}",
        type=RecordType.MAP,
        title=city_map.title,
        abstract=city_map.abstract,
        keywords=tuple(word for theme in themes for word in _theme_words(theme)),
        theme=None,
        open=None,
        share=None,
        bbox=city_map.bounds,
        start=None,
        end=None,
        created=None,
        updated=None,
        external_ids=(),
        contact=None,
        formats=(("MapLibre style", _STYLE), ("TileJSON", _JSON)),
        links=(
            RecordLink(f"/api/maps/{name}", "describes", _JSON, "地图 / The map"),
            RecordLink(f"/api/styles/{name}", "style", _STYLE, "样式 / Style"),
            RecordLink(f"/tiles/{name}.json", "tiles", _JSON, "TileJSON"),
        ),
        more={"layers": [layer.name for layer in layers]},
        words=tuple(text for layer in layers for text in (layer.title.zh, layer.title.en)),
    )


def _survey_record(layer: LayerDefinition, survey: SurveyFacts, facts: LayerFacts | None) -> Record:
    here = f"/api/loads/{survey.load_id}"
    day = survey.valid_from.astimezone(BEIJING).date().isoformat() if survey.valid_from else ""
    counts = {
        "added": survey.added,
        "changed": survey.changed,
        "unchanged": survey.unchanged,
        "closed": survey.closed,
        "quarantined": survey.quarantined,
    }
    zh = f"《{layer.title.zh}》入库的测绘成果 {survey.source}，坐标系 {survey.crs or '未注明'}"
    en = f"A survey of {layer.title.en}, from {survey.source}, in {survey.crs or 'no named CRS'}"
    if survey.reverted_by is not None:
        zh += f"；已由第 {survey.reverted_by} 次入库撤销"
        en += f"; taken back by load {survey.reverted_by}"
    external = (("sha256", survey.checksum),) if survey.checksum else ()
    return Record(
        id=f"survey.{survey.load_id}",
        type=RecordType.SURVEY,
        title=Bilingual(
            zh=f"{layer.title.zh} {day} {survey.source}".replace("  ", " "),
            en=f"{layer.title.en}, survey of {day or survey.source}",
        ),
        abstract=Bilingual(zh=f"{zh}。", en=f"{en}."),
        keywords=_theme_words(layer.theme),
        theme=layer.theme,
        open=layer.access.open,
        share=layer.access.share,
        # Surveys keep no box of their own: the layer's is an upper bound.
        bbox=facts.bbox if facts else None,
        start=survey.valid_from,
        end=survey.valid_from,
        created=survey.recorded_at,
        updated=survey.finished_at or survey.recorded_at,
        external_ids=external,
        contact=layer.provider,
        formats=(),
        links=(
            RecordLink(here, "describes", _JSON, "入库记录 / The load"),
            RecordLink(f"{here}/report", "describedby", _JSON, "质检报告 / Its report"),
            RecordLink(f"/api/collections/{layer.name}", "related", _JSON, "图层 / The layer"),
        ),
        more={
            "layer": layer.name,
            "load": survey.load_id,
            "source": survey.source,
            "full": survey.full_survey,
            "reverted": survey.reverted_by is not None,
            "counts": counts,
        },
    )


def _series_record(
    layer: LayerDefinition, catalogue: Catalogue, series: SceneSeries, facts: LayerFacts | None
) -> Record:
    here = f"/stac/collections/{series.id}"
    name = sensor_name(layer, catalogue, series.sensor)
    count = series.count
    return Record(
        id=f"series.{series.id}",
        type=RecordType.SERIES,
        title=Bilingual(zh=f"{layer.title.zh}：{name.zh}", en=f"{layer.title.en}: {name.en}"),
        abstract=Bilingual(
            zh=f"{name.zh}的 {count} 景影像的覆盖范围与元数据，像素另行提供。",
            en=f"Footprints and metadata of {count} scenes of {name.en}, without their pixels.",
        ),
        keywords=_theme_words(layer.theme),
        theme=layer.theme,
        open=layer.access.open,
        share=layer.access.share,
        bbox=series.bbox,
        start=series.first,
        end=series.last,
        created=facts.created_at if facts else None,
        updated=facts.updated_at if facts else None,
        external_ids=(),
        contact=layer.provider,
        formats=(("STAC", _GEOJSON),),
        links=(
            RecordLink(here, "describes", _JSON, "STAC"),
            RecordLink(f"{here}/items", "items", _GEOJSON, "各景 / Scenes"),
            RecordLink(f"/api/collections/{layer.name}", "related", _JSON, "图层 / The layer"),
        ),
        more={"layer": layer.name, "sceneCount": count},
        words=(series.sensor or "", *(name for kind in series.kinds
               for name in _names_of(layer, catalogue, "kind", kind))),
    )  # fmt: skip


def sensor_name(layer: LayerDefinition, catalogue: Catalogue, sensor: str | None) -> Bilingual:
    """Return a sensor's name, as its code list has it."""
    if sensor is None:
        return Bilingual(zh="传感器不明", en="unknown sensor")
    zh, en = _names_of(layer, catalogue, "sensor", sensor)
    return Bilingual(zh=zh, en=en)


def _names_of(
    layer: LayerDefinition, catalogue: Catalogue, field: str, code: str
) -> tuple[str, str]:
    codes = layer.field(field).codes
    found = catalogue.code_list(codes).codes.get(code) if codes else None
    return (found.name_zh, found.name_en) if found else (code, code)


def _theme_words(theme: Theme) -> tuple[str, ...]:
    return (THEME_NAMES[theme].zh, THEME_NAMES[theme].en)


def rights(record: Record) -> str | None:
    """Return who may have what a record is about, in words."""
    if record.open is None or record.share is None:
        return None
    opened, shared = OPEN_NAMES[record.open], _SHARE_NAMES[record.share]
    return f"{opened.zh}，{shared.zh} / {opened.en} to the public, {shared.en}"


def utc(moment: datetime) -> str:
    """Return a moment as records write it: RFC 3339, in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
