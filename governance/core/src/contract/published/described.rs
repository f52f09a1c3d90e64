//! What the keys of a contract mean to Assay, for whoever writes one in an editor.

/// Pointer into our schema, and what stands there means.
pub(super) const DESCRIPTIONS: &[(&str, &str)] = &[
    ("/properties/apiVersion", "The version of the standard."),
    ("/properties/kind", "Always DataContract."),
    ("/properties/id", "What the contract is called, for ever."),
    (
        "/properties/version",
        "The version of this contract; what breaks someone asks for the next major one.",
    ),
    ("/properties/status", "proposed, draft, active, deprecated or retired."),
    (
        "/properties/description",
        "What the data is for (purpose), how to use it (usage), and what not to expect (limitations).",
    ),
    ("/properties/schema", "The tables that the contract describes."),
    (
        "/properties/slaProperties",
        "Service levels. Assay judges latency and freshness, others are promises to people.",
    ),
    ("/properties/customProperties", "What the standard lacks."),
    ("/$defs/SchemaObject/properties/name", "What the table is called in this contract."),
    ("/$defs/SchemaObject/properties/physicalName", "The table in the lake, as layer.name."),
    ("/$defs/SchemaObject/properties/properties", "The columns."),
    ("/$defs/SchemaObject/properties/quality", "Rules about the whole table."),
    (
        "/$defs/SchemaObject/properties/customProperties",
        "Of the vendor assay: warnBelow and haltBelow, scores from 0 to 100.",
    ),
    ("/$defs/SchemaObject/properties/dataGranularityDescription", "What one row stands for."),
    ("/$defs/Property/properties/name", "The column."),
    (
        "/$defs/Property/properties/logicalType",
        "What kind of value it holds, wherever it is stored.",
    ),
    (
        "/$defs/Property/properties/physicalType",
        "The type in the table: string, int, bigint, double, decimal(p,s), boolean, date or timestamptz.",
    ),
    ("/$defs/Property/properties/required", "No value is NULL: the rule `column.not_null`."),
    (
        "/$defs/Property/properties/unique",
        "No value comes twice in a batch: the rule `column.unique`.",
    ),
    (
        "/$defs/Property/properties/primaryKey",
        "Part of the key: never NULL, and unique with the other parts.",
    ),
    ("/$defs/Property/properties/enum", "The values that are allowed: the rule `column.one_of`."),
    (
        "/$defs/Property/properties/classification",
        "Values of restricted, confidential, secret, sensitive, personal and pii are shown in no report.",
    ),
    (
        "/$defs/Property/properties/relationships",
        "Every value is there in a column of another table: the rule `column.references`.",
    ),
    ("/$defs/Property/properties/quality", "Rules about the column."),
    (
        "/$defs/Property/properties/customProperties",
        "Of the vendor assay: severity and onFail, for the rules of this column's own keys.",
    ),
    (
        "/$defs/LogicalTypeOptions/properties/pattern",
        "A regular expression that is found in each value; anchor it with ^ and $.",
    ),
    ("/$defs/LogicalTypeOptions/properties/minimum", "The least value, itself allowed."),
    ("/$defs/LogicalTypeOptions/properties/maximum", "The greatest value, itself allowed."),
    ("/$defs/LogicalTypeOptions/properties/minLength", "The least number of characters."),
    ("/$defs/LogicalTypeOptions/properties/maxLength", "The greatest number of characters."),
    ("/$defs/DataQuality/properties/id", "The name of the rule in every report."),
    (
        "/$defs/DataQuality/properties/type",
        "library (a metric), custom (an expression with engine: assay), sql, or text for people.",
    ),
    (
        "/$defs/DataQuality/properties/arguments",
        "Of the metric: missingValues, validValues, pattern, or properties.",
    ),
    (
        "/$defs/DataQuality/properties/implementation",
        "With engine: assay: {expression: SQL over the columns of a row that must not be false}.",
    ),
    ("/$defs/DataQuality/properties/unit", "Of the operator: rows, or percent of them."),
    ("/$defs/DataQuality/properties/severity", "info, warning, error or critical."),
    ("/$defs/DataQuality/properties/mustBeBetween", "Between the two, without them."),
    (
        "/$defs/DataQuality/properties/customProperties",
        "Of the vendor assay: onFail (keep, quarantine or halt).",
    ),
    ("/$defs/SlaProperty/properties/element", "The time column that it looks at, as table.column."),
    ("/$defs/SlaProperty/properties/value", "How old the newest value may be, in its unit."),
    (
        "/$defs/SlaProperty/properties/customProperties",
        "Of the vendor assay: warnAfter, severity and onFail.",
    ),
    ("/$defs/CustomProperty/properties/vendor", "Whose property it is; assay for ours."),
];
