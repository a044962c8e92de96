"""Names of rules for people, in Chinese and English."""

from layers.definition import Bilingual, LayerDefinition

_OF_ROWS = {
    "geometry_missing": ("没有几何图形", "no geometry"),
    "geometry_type": ("几何类型不符", "wrong kind of geometry"),
    "geometry_coordinates": ("坐标不是数值", "a coordinate is no number"),
    "geometry_outside": ("位于坐标系适用范围之外", "outside the reference system's area"),
    "geometry_invalid": ("几何图形无效且无法修复", "broken geometry beyond repair"),
    "geometry_parts": ("多部件几何", "several parts where one is wanted"),
    "duplicate_key": ("主键重复", "key given twice"),
}
_OF_FIELDS = {
    "type": ("类型不符", "wrong type"),
    "required": ("缺少必填值", "value missing"),
    "length": ("过长", "too long"),
    "codes": ("不在代码表中", "not in the code list"),
    "pattern": ("格式不符", "wrong form"),
    "min": ("小于下限", "below the least value"),
    "max": ("大于上限", "above the greatest value"),
}


def rule_title(rule: str, layer: LayerDefinition) -> Bilingual:
    """Return what a rule is called: by the layer's check, the field, or the rule's own name."""
    for check in layer.checks:
        if check.name == rule:
            return check.title
    if rule in _OF_ROWS:
        zh, en = _OF_ROWS[rule]
        return Bilingual(zh=zh, en=en)
    name, _, kind = rule.partition(": ")
    if name in layer.field_names and kind in _OF_FIELDS:
        title = layer.field(name).title
        zh, en = _OF_FIELDS[kind]
        return Bilingual(zh=f"{title.zh}：{zh}", en=f"{title.en}: {en}")
    return Bilingual(zh=rule, en=rule)
