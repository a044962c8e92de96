/** Every text of the page itself, in Chinese and English. */

import type { Bilingual } from "./api";
import type { Language } from "./state";

const TEXTS = {
  appName: { zh: "一张图", en: "One Map" },
  appSubtitle: { zh: "自然资源时空底座", en: "Natural resources in space and time" },
  maps: { zh: "地图", en: "Maps" },
  layers: { zh: "图层", en: "Layers" },
  showLayers: { zh: "打开图层面板", en: "Open the layer panel" },
  hideLayers: { zh: "收起图层面板", en: "Close the layer panel" },
  searchLayers: { zh: "查找图层", en: "Find a layer" },
  clearSearch: { zh: "清除查找", en: "Clear the search" },
  noLayerFound: { zh: "没有名称相符的图层", en: "No layer has such a name" },
  noLayers: { zh: "这张地图还没有图层", en: "This map has no layers yet" },
  fromZoom: { zh: "放大至 {0} 级显示", en: "from zoom {0}" },
  legendOf: { zh: "{0}的图例", en: "Legend of {0}" },
  resetLayers: { zh: "恢复默认", en: "Reset" },
  layersOn: { zh: "{0} / {1}", en: "{0} of {1}" },
  language: { zh: "语言", en: "Language" },
  apiDocs: { zh: "接口文档", en: "API" },
  catalogue: { zh: "数据目录", en: "Catalogue" },
  zoomIn: { zh: "放大", en: "Zoom in" },
  zoomOut: { zh: "缩小", en: "Zoom out" },
  north: { zh: "回到正北", en: "Face north" },
  tilt: { zh: "三维倾斜", en: "3D tilt" },
  home: { zh: "全市范围", en: "Whole city" },
  time: { zh: "时间", en: "Time" },
  now: { zh: "现状", en: "Now" },
  present: { zh: "今", en: "now" },
  play: { zh: "播放历史", en: "Play history" },
  pause: { zh: "暂停", en: "Pause" },
  beijingTime: { zh: "北京时间", en: "Beijing time" },
  noHistory: { zh: "这张地图只有现状", en: "This map has no history yet" },
  epochs: { zh: "{0} 期数据", en: "{0} surveys" },
  inspect: { zh: "要素", en: "Feature" },
  featuresHere: { zh: "此处有 {0} 个要素", en: "{0} features here" },
  close: { zh: "关闭", en: "Close" },
  back: { zh: "返回列表", en: "Back to the list" },
  copyLink: { zh: "复制链接", en: "Copy link" },
  linkCopied: { zh: "链接已复制", en: "Link copied" },
  copyFailed: { zh: "浏览器不允许复制,请从地址栏复制链接", en: "Copying was refused; take the link from the address bar" },
  zoomTo: { zh: "缩放至要素", en: "Zoom to it" },
  fields: { zh: "属性", en: "Fields" },
  validity: { zh: "有效时间", en: "Valid" },
  since: { zh: "自 {0} 起", en: "since {0}" },
  until: { zh: "至 {0}", en: "until {0}" },
  version: { zh: "版本", en: "Version" },
  lineage: { zh: "来源", en: "Lineage" },
  identity: { zh: "要素编号", en: "Feature id" },
  unnamed: { zh: "未命名", en: "unnamed" },
  yes: { zh: "是", en: "yes" },
  no: { zh: "否", en: "no" },
  notRecorded: { zh: "未登记", en: "not recorded" },
  loading: { zh: "正在读取…", en: "Loading…" },
  retry: { zh: "重试", en: "Try again" },
  dismiss: { zh: "关闭提示", en: "Dismiss" },
  unreachable: { zh: "连不上服务器", en: "The server does not answer" },
  unreachableHint: { zh: "请检查网络,或稍后重试。", en: "Check the network, or try again shortly." },
  tilesFailed: { zh: "部分地图没有取到", en: "Parts of the map could not be loaded" },
  requestId: { zh: "请求号", en: "Request" },
  gone: { zh: "这一日期没有该要素", en: "The feature does not exist on this date" },
  goneHint: { zh: "移动时间轴,可看到它存在的时期。", en: "Move the timeline to a date when it does." },
  noWebgl: { zh: "浏览器不支持 WebGL 2,无法绘制地图", en: "The map needs WebGL 2, which this browser lacks" },
  coordinates: { zh: "坐标", en: "Coordinates" },
  switchAngle: { zh: "切换度分秒与十进制度", en: "Switch degrees, minutes and seconds" },
  scale: { zh: "比例尺", en: "Scale" },
  zoom: { zh: "级别", en: "Zoom" },
  attribution: { zh: "© 一张图 · CGCS2000 · 1985 国家高程基准", en: "© One Map · CGCS2000 · 1985 height" },
  mapLabel: { zh: "地图:方向键平移,加减键缩放", en: "Map: arrow keys pan, plus and minus zoom" },
  tileDiagnostics: { zh: "瓦片诊断", en: "Tile diagnostics" },
  tileDiagnosticsKey: { zh: "瓦片诊断(按 T 键)", en: "Tile diagnostics (key T)" },
  tileWaiting: { zh: "尚未取到", en: "not here yet" },
  tileEmpty: { zh: "空瓦片", en: "empty" },
  tileHolds: { zh: "{0}(解压 {1})· {2} 个要素", en: "{0} ({1} unpacked) · {2} features" },
  tileVersion: { zh: "数据版本 {0}", en: "data version {0}" },
  tileTruncated: { zh: "未全:{0}", en: "cut short: {0}" },
  fromMemory: { zh: "内存缓存", en: "from memory" },
  fromDisk: { zh: "磁盘缓存", en: "from disk" },
  fromShared: { zh: "与他人合并", en: "shared" },
  fromRendered: { zh: "现场绘制", en: "rendered" },
  fromArchive: { zh: "预制瓦片包", en: "from the archive" },
  simplified: { zh: "此处要素过多,放大后显示全部", en: "Too much for this scale: zoom in for all" },
  simplifiedLayers: { zh: "未显示完整:{0}", en: "Not all shown: {0}" },
} as const satisfies Record<string, Bilingual>;

export type TextKey = keyof typeof TEXTS;

/** The text that comes first in a language; "both" puts Chinese first. */
export function primary(text: Bilingual, lang: Language): string {
  return lang === "en" ? text.en || text.zh : text.zh || text.en;
}

/** The other language's text, unless it says the same. */
export function secondary(text: Bilingual, lang: Language): string {
  const other = lang === "en" ? text.zh : text.en;
  return other === primary(text, lang) ? "" : other;
}

/** A text of the page, with {0}, {1} … filled in; "both" speaks Chinese where room is short. */
export function say(key: TextKey, lang: Language, ...values: readonly (string | number)[]): string {
  return primary(TEXTS[key], lang).replace(/\{(\d)\}/g, (_, index: string) =>
    String(values[Number(index)] ?? ""),
  );
}

/** A text of the page in both languages where the page is bilingual, else in its one. */
export function sayAll(key: TextKey, lang: Language): string {
  const text = TEXTS[key];
  return lang === "both" ? `${text.zh} ${text.en}` : primary(text, lang);
}
