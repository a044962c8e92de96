"""Names and approximate places of the synthetic Xianning.

Seats, boxes and areas are those of the domain reference (generalised, not legal lines); town and
peak positions are approximate (about 5 km) and serve only to make a plausible map.
"""

from dataclasses import dataclass

from pyproj import Transformer

#: CGCS2000 3-degree zone at 114°E without prefix: the city's projected system.
CITY_CRS = "EPSG:4547"
_TO_CITY = Transformer.from_crs("EPSG:4490", CITY_CRS, always_xy=True)
_TO_LONLAT = Transformer.from_crs(CITY_CRS, "EPSG:4490", always_xy=True)


def metric(lon: float, lat: float) -> tuple[float, float]:
    """Return easting and northing (EPSG:4547, metres) of a CGCS2000 position."""
    east, north = _TO_CITY.transform(lon, lat)
    return float(east), float(north)


def lonlat(east: float, north: float) -> tuple[float, float]:
    """Return CGCS2000 longitude and latitude of an EPSG:4547 position."""
    lon, lat = _TO_LONLAT.transform(east, north)
    return float(lon), float(lat)


@dataclass(frozen=True)
class County:
    """A county unit: code, names, seat and box (degrees), area (km²), hazard points of 2010."""

    code: str
    zh: str
    en: str
    seat: tuple[float, float]
    box: tuple[float, float, float, float]
    area_km2: float
    hazards: int


COUNTIES = (
    County("421202", "咸安区", "Xian'an District", (114.328, 29.827),
           (114.109, 29.658, 114.719, 30.035), 1501, 68),
    County("421221", "嘉鱼县", "Jiayu County", (113.916, 29.976),
           (113.655, 29.792, 114.209, 30.300), 1025, 37),
    County("421222", "通城县", "Tongcheng County", (113.809, 29.249),
           (113.601, 29.033, 114.062, 29.398), 1114, 54),
    County("421223", "崇阳县", "Chongyang County", (114.044, 29.544),
           (113.726, 29.208, 114.349, 29.679), 1980, 58),
    County("421224", "通山县", "Tongshan County", (114.488, 29.607),
           (114.239, 29.324, 114.964, 29.848), 2414, 64),
    County("421281", "赤壁市", "Chibi City", (113.878, 29.720),
           (113.533, 29.471, 114.228, 29.990), 1705, 53),
)  # fmt: skip

#: Town, English name, lon, lat by county; the first is the seat's own.
TOWNS: dict[str, tuple[tuple[str, str, float, float], ...]] = {
    "421202": (
        ("温泉街道", "Wenquan Subdistrict", 114.318, 29.835),
        ("永安街道", "Yong'an Subdistrict", 114.285, 29.870),
        ("浮山街道", "Fushan Subdistrict", 114.352, 29.853),
        ("汀泗桥镇", "Tingsiqiao Town", 114.203, 29.757),
        ("向阳湖镇", "Xiangyanghu Town", 114.200, 29.905),
        ("官埠桥镇", "Guanbuqiao Town", 114.297, 29.935),
        ("横沟桥镇", "Henggouqiao Town", 114.378, 29.955),
        ("贺胜桥镇", "Heshengqiao Town", 114.390, 30.005),
        ("双溪桥镇", "Shuangxiqiao Town", 114.498, 29.915),
        ("马桥镇", "Maqiao Town", 114.395, 29.800),
        ("桂花镇", "Guihua Town", 114.325, 29.733),
        ("高桥镇", "Gaoqiao Town", 114.545, 29.830),
        ("大幕乡", "Damu Township", 114.620, 29.795),
    ),
    "421221": (
        ("鱼岳镇", "Yuyue Town", 113.916, 29.976),
        ("陆溪镇", "Luxi Town", 113.760, 29.905),
        ("高铁岭镇", "Gaotieling Town", 113.905, 29.900),
        ("官桥镇", "Guanqiao Town", 114.000, 29.885),
        ("新街镇", "Xinjie Town", 114.010, 30.020),
        ("渡普镇", "Dupu Town", 114.090, 30.020),
        ("潘家湾镇", "Panjiawan Town", 114.060, 30.130),
        ("牌洲湾镇", "Paizhouwan Town", 113.955, 30.240),
    ),
    "421222": (
        ("隽水镇", "Junshui Town", 113.809, 29.249),
        ("麦市镇", "Maishi Town", 113.900, 29.120),
        ("塘湖镇", "Tanghu Town", 113.960, 29.180),
        ("关刀镇", "Guandao Town", 113.850, 29.180),
        ("沙堆镇", "Shadui Town", 113.900, 29.240),
        ("五里镇", "Wuli Town", 113.740, 29.240),
        ("石南镇", "Shinan Town", 113.800, 29.300),
        ("北港镇", "Beigang Town", 113.720, 29.300),
        ("马港镇", "Magang Town", 113.760, 29.350),
        ("四庄乡", "Sizhuang Township", 113.880, 29.310),
        ("大坪乡", "Daping Township", 113.680, 29.190),
    ),
    "421223": (
        ("天城镇", "Tiancheng Town", 114.044, 29.544),
        ("沙坪镇", "Shaping Town", 113.960, 29.430),
        ("石城镇", "Shicheng Town", 113.900, 29.500),
        ("桂花泉镇", "Guihuaquan Town", 113.850, 29.570),
        ("白霓镇", "Baini Town", 114.120, 29.545),
        ("路口镇", "Lukou Town", 114.200, 29.590),
        ("金塘镇", "Jintang Town", 114.220, 29.420),
        ("青山镇", "Qingshan Town", 114.080, 29.430),
        ("肖岭乡", "Xiaoling Township", 113.980, 29.600),
        ("铜钟乡", "Tongzhong Township", 114.050, 29.480),
        ("港口乡", "Gangkou Township", 114.120, 29.360),
        ("高枧乡", "Gaojian Township", 114.100, 29.280),
    ),
    "421224": (
        ("通羊镇", "Tongyang Town", 114.488, 29.607),
        ("南林桥镇", "Nanlinqiao Town", 114.370, 29.590),
        ("黄沙铺镇", "Huangshapu Town", 114.590, 29.720),
        ("厦铺镇", "Xiapu Town", 114.420, 29.500),
        ("九宫山镇", "Jiugongshan Town", 114.610, 29.460),
        ("洪港镇", "Honggang Town", 114.790, 29.520),
        ("大畈镇", "Dafan Town", 114.630, 29.640),
        ("大路乡", "Dalu Township", 114.530, 29.560),
        ("杨芳林乡", "Yangfanglin Township", 114.360, 29.430),
        ("燕厦乡", "Yansha Township", 114.720, 29.590),
        ("慈口乡", "Cikou Township", 114.780, 29.680),
        ("闯王镇", "Chuangwang Town", 114.530, 29.430),
    ),
    "421281": (
        ("蒲圻街道", "Puqi Subdistrict", 113.878, 29.720),
        ("赤马港街道", "Chimagang Subdistrict", 113.905, 29.735),
        ("陆水湖街道", "Lushuihu Subdistrict", 113.935, 29.700),
        ("车埠镇", "Chebu Town", 113.800, 29.800),
        ("赵李桥镇", "Zhaoliqiao Town", 113.730, 29.600),
        ("新店镇", "Xindian Town", 113.660, 29.650),
        ("茶庵岭镇", "Cha'anling Town", 113.800, 29.660),
        ("中伙铺镇", "Zhonghuopu Town", 113.970, 29.770),
        ("官塘驿镇", "Guantangyi Town", 114.080, 29.740),
        ("神山镇", "Shenshan Town", 114.010, 29.850),
        ("赤壁镇", "Chibi Town", 113.640, 29.860),
        ("柳山湖镇", "Liushanhu Town", 113.700, 29.840),
        ("黄盖湖镇", "Huanggaihu Town", 113.590, 29.750),
        ("余家桥乡", "Yujiaqiao Township", 113.680, 29.780),
    ),
}

#: Main rivers: id, names, width m, course (lon, lat) from source to mouth.
RIVERS: tuple[tuple[str, str, str, float, tuple[tuple[float, float], ...]], ...] = (
    ("R01", "长江", "Yangtze River", 1500.0, (
        (113.470, 29.790), (113.560, 29.855), (113.655, 29.900), (113.745, 29.945),
        (113.825, 29.990), (113.900, 30.008), (113.975, 30.055), (114.035, 30.125),
        (113.985, 30.180), (113.890, 30.195), (113.850, 30.255), (113.920, 30.305),
        (114.030, 30.275), (114.130, 30.310))),
    ("R02", "陆水", "Lushui River", 130.0, (
        (113.935, 29.100), (113.875, 29.165), (113.812, 29.252), (113.850, 29.345),
        (113.945, 29.440), (114.005, 29.495), (114.044, 29.548), (113.995, 29.610),
        (113.935, 29.685), (113.878, 29.722), (113.825, 29.790), (113.790, 29.870),
        (113.745, 29.945))),
    ("R04", "富水", "Fushui River", 140.0, (
        (114.290, 29.500), (114.370, 29.565), (114.490, 29.612), (114.610, 29.650),
        (114.720, 29.672), (114.840, 29.715), (114.990, 29.760))),
    ("R05", "金水", "Jinshui River", 60.0, (
        (114.545, 29.800), (114.500, 29.880), (114.470, 29.950), (114.400, 29.990),
        (114.300, 30.030))),
    ("R06", "汀泗河", "Tingsi River", 50.0, (
        (114.190, 29.660), (114.205, 29.755), (114.195, 29.840), (114.120, 29.930))),
    ("R07", "高桥河", "Gaoqiao River", 45.0, (
        (114.640, 29.800), (114.560, 29.825), (114.500, 29.880))),
    ("R08", "厦铺河", "Xiapu River", 45.0, (
        (114.480, 29.420), (114.425, 29.500), (114.450, 29.570), (114.490, 29.612))),
    ("R09", "青山河", "Qingshan River", 50.0, (
        (114.130, 29.280), (114.110, 29.370), (114.075, 29.440), (114.044, 29.548))),
    ("R10", "大市河", "Dashi River", 45.0, (
        (114.260, 29.600), (114.190, 29.585), (114.110, 29.545), (114.044, 29.548))),
    ("R11", "九宫河", "Jiugong River", 40.0, (
        (114.640, 29.410), (114.600, 29.480), (114.560, 29.550), (114.610, 29.650))),
    ("R12", "新店河", "Xindian River", 55.0, (
        (113.760, 29.540), (113.725, 29.600), (113.660, 29.655), (113.590, 29.725))),
)  # fmt: skip

#: The Gan river above and below the surveyed core (between them it follows the core's own course).
GAN_ABOVE = ((114.440, 29.670), (114.410, 29.715), (114.385, 29.755))
GAN_BELOW = ((114.255, 29.915), (114.235, 29.955), (114.225, 29.985))

#: Lakes: id, zh, en, kind (lake or reservoir), lon, lat, half width m, half height m, turn degrees.
LAKES = (
    ("L01", "斧头湖", "Futou Lake", "lake", 114.225, 30.020, 6800, 4300, 35),
    ("L02", "西凉湖", "Xiliang Lake", "lake", 114.075, 29.945, 6200, 3000, 55),
    ("L03", "黄盖湖", "Huanggai Lake", "lake", 113.575, 29.705, 5200, 2600, 50),
    ("L04", "密泉湖", "Miquan Lake", "lake", 113.975, 29.985, 2600, 1100, 40),
    ("L05", "三湖连江", "Sanhulianjiang Lake", "lake", 113.935, 29.935, 2000, 1500, 20),
)
#: Reservoirs: id, zh, en, lon, lat, radius m, water level m above the local valley floor.
RESERVOIRS = (
    ("V01", "陆水水库", "Lushui Reservoir", 113.960, 29.665, 8200, 26.0),
    ("V02", "富水水库", "Fushui Reservoir", 114.760, 29.680, 12500, 30.0),
    ("V03", "青山水库", "Qingshan Reservoir", 114.085, 29.425, 4200, 30.0),
    ("V04", "南川水库", "Nanchuan Reservoir", 114.412, 29.712, 3200, 24.0),
)

#: Ranges: crest (lon, lat), height m, half width m.
RANGES: tuple[tuple[tuple[tuple[float, float], ...], float, float], ...] = (
    (((114.31, 29.36), (114.46, 29.36), (114.65, 29.39), (114.80, 29.42), (114.98, 29.45)),
     1480.0, 8500.0),
    (((113.58, 29.13), (113.78, 29.05), (114.00, 29.08), (114.10, 29.18), (114.26, 29.30)),
     1330.0, 8200.0),
    (((113.60, 29.42), (113.70, 29.40), (113.80, 29.44)), 1050.0, 6000.0),
    (((114.22, 29.47), (114.27, 29.56), (114.40, 29.66)), 760.0, 6500.0),
    (((114.50, 29.72), (114.64, 29.76), (114.80, 29.77)), 830.0, 6500.0),
    (((113.86, 29.53), (113.95, 29.55), (113.92, 29.62)), 520.0, 5000.0),
    (((114.08, 29.63), (114.20, 29.66), (114.33, 29.68)), 470.0, 5500.0),
    (((114.68, 29.58), (114.85, 29.62), (114.96, 29.60)), 640.0, 5500.0),
    (((114.05, 29.77), (114.20, 29.80), (114.28, 29.81)), 190.0, 5000.0),
    (((114.42, 29.86), (114.50, 29.83)), 210.0, 4500.0),
    (((113.72, 29.70), (113.82, 29.58)), 260.0, 5000.0),
)  # fmt: skip

#: Peaks: zh, en, lon, lat.
PEAKS = (
    ("九宫山", "Jiugong Mountain", 114.652, 29.390), ("黄龙山", "Huanglong Mountain", 114.000,
    29.080),
    ("药姑山", "Yaogu Mountain", 113.690, 29.405), ("大幕山", "Damu Mountain", 114.635, 29.760),
    ("大湖山", "Dahu Mountain", 114.240, 29.300), ("太平山", "Taiping Mountain", 114.800, 29.425),
    ("雪峰山", "Xuefeng Mountain", 113.925, 29.560), ("大药姑", "Dayaogu", 113.780, 29.435),
    ("三界尖", "Sanjie Peak", 114.400, 29.362), ("沙坪尖", "Shaping Peak", 114.265, 29.555),
)  # fmt: skip

#: Scenic areas: id, zh, en, lon, lat, grade, theme class of GB/T 18972-2017.
SCENIC = (
    (
        "S01",
        "三国赤壁古战场",
        "Red Cliffs Battlefield of the Three Kingdoms",
        113.625,
        29.868,
        "AAAAA",
        "F",
    ),
    ("S02", "九宫山风景名胜区", "Jiugong Mountain", 114.650, 29.392, "AAAA", "A"),
    ("S03", "隐水洞", "Yinshui Cave", 114.660, 29.630, "AAAA", "A"),
    ("S04", "陆水湖风景名胜区", "Lushui Lake", 113.935, 29.680, "AAAA", "B"),
    ("S05", "羊楼洞古镇", "Yangloudong Old Town", 113.770, 29.560, "AAAA", "F"),
    ("S06", "潜山国家森林公园", "Qianshan National Forest Park", 114.300, 29.822, "AAAA", "C"),
    ("S07", "温泉沁泉谷", "Wenquan Hot Springs", 114.334, 29.842, "AAAA", "B"),
    ("S08", "黄龙山", "Huanglong Mountain", 114.002, 29.082, "AAA", "A"),
    ("S09", "药姑山", "Yaogu Mountain", 113.685, 29.412, "AAA", "C"),
    ("S10", "星星竹海", "Xingxing Bamboo Sea", 114.360, 29.735, "AAA", "C"),
    ("S11", "向阳湖文化名人旧址", "Xiangyang Lake Cultural Site", 114.195, 29.915, "AAA", "F"),
    ("S12", "汀泗桥战役遗址", "Tingsiqiao Battle Site", 114.205, 29.760, "AAA", "F"),
)

#: Springs and flowers, hills and bridges: the parts street and village names are made of.
STREET_NAMES = (
    ("温泉路", "Wenquan Road"), ("银泉大道", "Yinquan Avenue"), ("咸宁大道", "Xianning Avenue"),
    ("桂乡大道", "Guixiang Avenue"), ("淦河大道", "Ganhe Avenue"), ("长安大道", "Chang'an Avenue"),
    ("永安大道", "Yong'an Avenue"), ("书台街", "Shutai Street"), ("潜山路", "Qianshan Road"),
    ("月亮湾路", "Yueliangwan Road"), ("金桂路", "Jingui Road"), ("银桂路", "Yingui Road"),
    ("丹桂路", "Dangui Road"), ("竹海路", "Zhuhai Road"), ("茶源路", "Chayuan Road"),
    ("双鹤路", "Shuanghe Road"), ("贺胜路", "Hesheng Road"), ("文笔路", "Wenbi Road"),
    ("岔路口街", "Chalukou Street"), ("怀德路", "Huaide Road"), ("麦笠山路", "Mailishan Road"),
    ("滨河东路", "Binhe East Road"), ("滨河西路", "Binhe West Road"), ("青龙路", "Qinglong Road"),
    ("龙潭大道", "Longtan Avenue"), ("巨宁大道", "Juning Avenue"), ("旗鼓大道", "Qigu Avenue"),
    ("玉泉街", "Yuquan Street"), ("同惠街", "Tonghui Street"), ("沿江路", "Yanjiang Road"),
    ("鱼水路", "Yushui Road"), ("外环路", "Outer Ring Road"), ("泉塘路", "Quantang Road"),
    ("官埠大道", "Guanbu Avenue"), ("香城大道", "Xiangcheng Avenue"), ("一号桥路",
    "Yihaoqiao Road"),
)  # fmt: skip
LANE_FIRST = (("桂", "Gui"), ("泉", "Quan"), ("竹", "Zhu"), ("茶", "Cha"), ("星", "Xing"),
              ("和", "He"), ("安", "An"), ("宁", "Ning"), ("文", "Wen"), ("梅", "Mei"),
              ("荷", "He"), ("松", "Song"), ("福", "Fu"), ("兴", "Xing"), ("明", "Ming"),
              ("青", "Qing"))  # fmt: skip
LANE_LAST = (("园", "yuan"), ("苑", "yuan"), ("溪", "xi"), ("塘", "tang"), ("桥", "qiao"),
             ("岭", "ling"), ("湾", "wan"), ("台", "tai"), ("林", "lin"), ("门", "men"),
             ("华", "hua"), ("阳", "yang"))  # fmt: skip
VILLAGES = (
    ("龙潭村", "Longtan Village"), ("官塘村", "Guantang Village"), ("余佐村", "Yuzuo Village"),
    ("泉湖村", "Quanhu Village"), ("太乙村", "Taiyi Village"), ("柏墩村", "Baidun Village"),
    ("杨下村", "Yangxia Village"), ("浮山村", "Fushan Village"), ("石垅村", "Shilong Village"),
    ("垅口村", "Longkou Village"), ("桂花林村", "Guihualin Village"), ("茶场村",
    "Chachang Village"),
    ("双鹤桥社区", "Shuangheqiao Community"), ("西河桥社区", "Xiheqiao Community"),
    ("希望桥社区", "Xiwangqiao Community"), ("白茶社区", "Baicha Community"),
    ("岔路口社区", "Chalukou Community"), ("月亮湾社区", "Yueliangwan Community"),
)  # fmt: skip
