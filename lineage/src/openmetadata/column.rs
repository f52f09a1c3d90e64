//! Types of columns: from whatever a schema calls them to what OpenMetadata has a word for.

use super::body::Column;
use super::name::clean;

/// The column, with its type as it is called beside the word for it.
pub(super) fn column(name: &str, kind: &str, position: usize) -> Column {
    let (word, arguments) = split(kind);
    let mut column = Column {
        name: clean(name),
        display_name: (clean(name) != name).then(|| name.to_owned()),
        data_type: "UNKNOWN".to_owned(),
        data_type_display: (!kind.is_empty()).then(|| kind.to_lowercase()),
        ordinal_position: Some(position),
        ..Column::default()
    };
    let numbers: Vec<i64> = arguments.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    column.data_type = match word.as_str() {
        "array" | "list" => {
            let of = arguments.split(',').next().unwrap_or_default();
            column.array_data_type = Some(plain(&split(of).0).to_owned());
            "ARRAY"
        }
        // What is inside is in its name; without children the server takes none.
        "struct" | "record" | "row" => {
            column.children = Some(vec![]);
            "STRUCT"
        }
        "map" => "MAP",
        // A sized type needs its size.
        "varchar" | "char" | "binary" | "varbinary" if !numbers.is_empty() => {
            column.data_length = Some(numbers[0]);
            sized(&word)
        }
        "decimal" | "numeric" => {
            column.precision = numbers.first().copied();
            column.scale = numbers.get(1).copied();
            "DECIMAL"
        }
        other => plain(other),
    }
    .to_owned();
    column
}

/// `decimal(12,2)` and `array<string>` as the word and what is in its brackets.
fn split(kind: &str) -> (String, &str) {
    let kind = kind.trim();
    let at = kind.find(['(', '<', '[']).unwrap_or(kind.len());
    let arguments = kind.get(at + 1..kind.len().saturating_sub(1)).unwrap_or_default();
    (kind[..at].trim().to_lowercase(), arguments)
}

fn sized(word: &str) -> &'static str {
    match word {
        "varchar" => "VARCHAR",
        "char" => "CHAR",
        "binary" => "BINARY",
        _ => "VARBINARY",
    }
}

fn plain(word: &str) -> &'static str {
    match word {
        "string" | "text" | "utf8" | "varchar" | "char" | "largeutf8" | "utf8view"
        | "character varying" => "STRING",
        "tinyint" | "int8" => "TINYINT",
        "smallint" | "int16" | "int2" => "SMALLINT",
        "int" | "integer" | "int32" | "int4" => "INT",
        "bigint" | "long" | "int64" => "BIGINT",
        "float" | "float32" | "real" => "FLOAT",
        "double" | "float64" | "double precision" => "DOUBLE",
        "decimal" | "numeric" => "DECIMAL",
        "boolean" | "bool" => "BOOLEAN",
        "date" | "date32" => "DATE",
        "time" => "TIME",
        "timestamp" | "timestamp_ntz" | "datetime" => "TIMESTAMP",
        "timestamptz" | "timestamp with time zone" | "timestamp_ltz" => "TIMESTAMPZ",
        "uuid" => "UUID",
        "json" | "jsonb" | "variant" => "JSON",
        "binary" | "varbinary" | "bytes" | "blob" => "BYTES",
        "map" => "MAP",
        "array" | "list" => "ARRAY",
        "struct" | "record" => "STRUCT",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_what_the_server_demands_of_it() {
        let of = |kind| column("c", kind, 1);
        for (kind, word) in [
            ("string", "STRING"),
            ("VARCHAR", "STRING"),
            ("bigint", "BIGINT"),
            ("timestamptz", "TIMESTAMPZ"),
            ("double", "DOUBLE"),
            ("binary", "BYTES"),
            ("map<string,int>", "MAP"),
            ("geometry of ours", "UNKNOWN"),
            ("", "UNKNOWN"),
        ] {
            assert_eq!(of(kind).data_type, word, "{kind}");
        }
        assert_eq!(
            (of("VARCHAR(20)").data_type.as_str(), of("varchar(20)").data_length),
            ("VARCHAR", Some(20))
        );
        let decimal = of("decimal(12,2)");
        assert_eq!((decimal.precision, decimal.scale), (Some(12), Some(2)));
        assert_eq!(of("array<string>").array_data_type.as_deref(), Some("STRING"));
        assert_eq!(of("array<decimal(12,2)>").array_data_type.as_deref(), Some("DECIMAL"));
        assert_eq!(of("array").array_data_type.as_deref(), Some("UNKNOWN"));
        assert_eq!(of("struct<city:string>").children, Some(vec![]));
    }

    #[test]
    fn a_column_whose_name_had_to_change_shows_its_own() {
        let column = column("a\"b", "int", 3);
        assert_eq!(column.display_name.as_deref(), Some("a\"b"));
        assert!(!column.name.contains('"'));
        assert_eq!(column.ordinal_position, Some(3));
    }
}
