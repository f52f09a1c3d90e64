//! Contracts, for people who want to know what a dataset promises.

use assay_core::contract::{ContractFile, Property, SchemaObject, promise};
use assay_core::{Check, Contract, OnFail, Rule};
use serde_json::Value;

use super::{escape, page};

/// One page with all the contracts; the first lines lead to each of their schemas.
pub(crate) fn contracts(title: &str, files: &[ContractFile]) -> String {
    let schemas: usize = files.iter().map(|file| file.contracts.len()).sum();
    let mut body = String::new();
    if files.len() > 1 {
        body += &format!(
            "<header><p class=\"kicker\">Data contracts</p><h1>{}</h1></header>\n",
            escape(title)
        );
    }
    if schemas > 1 {
        body += &index(files);
    }
    for (number, file) in files.iter().enumerate() {
        body += &contract(number, file);
    }
    body += "<footer>Made by Assay from the contracts (Open Data Contract Standard).</footer>";
    page(title, &body)
}

fn index(files: &[ContractFile]) -> String {
    let mut items = String::new();
    for (number, file) in files.iter().enumerate() {
        for (object, _) in file.schemas() {
            let about = object.description.as_deref().unwrap_or_default();
            items += &format!(
                "<li><a href=\"#{}\">{}</a> <span class=\"muted\">{}</span></li>",
                anchor(number, object),
                escape(full_name(object)),
                escape(about)
            );
        }
    }
    format!("<section><h2>Tables</h2><ul>{items}</ul></section>\n")
}

fn anchor(number: usize, object: &SchemaObject) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = object.name.chars().map(plain).collect();
    format!("s{number}-{name}")
}

fn full_name(object: &SchemaObject) -> &str {
    object.physical_name.as_deref().unwrap_or(&object.name)
}

fn contract(number: usize, file: &ContractFile) -> String {
    let body = &file.body;
    let title = body.name.as_deref().unwrap_or(&body.id);
    let status = body.status.as_deref().unwrap_or("no status");
    let facts: Vec<String> = [
        Some(format!("id <b>{}</b>", escape(&body.id))),
        Some(format!("version <b>{}</b>", escape(&body.version))),
        body.domain.as_deref().map(|it| format!("domain <b>{}</b>", escape(it))),
        body.data_product.as_deref().map(|it| format!("data product <b>{}</b>", escape(it))),
        body.tenant.as_deref().map(|it| format!("tenant <b>{}</b>", escape(it))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut text = format!(
        "<header><p class=\"kicker\">Data contract · {}</p><h1>{}</h1>{}\
         <p class=\"muted\">{}</p></header>\n",
        escape(status),
        escape(title),
        prose(file),
        facts.join(" · ")
    );
    for (object, promised) in file.schemas() {
        text += &schema(&anchor(number, object), object, promised, &prose(file));
    }
    text + &services(file) + &people(file) + &unjudged(file)
}

fn prose(file: &ContractFile) -> String {
    let description = file.body.description.iter().flatten();
    let parts = description.filter_map(|(name, value)| {
        let text = value.as_str()?;
        let name =
            if name == "purpose" { String::new() } else { format!("<b>{}</b> ", escape(name)) };
        Some(format!("<p class=\"about\">{name}{}</p>", escape(text)))
    });
    parts.collect()
}

fn schema(anchor: &str, object: &SchemaObject, promised: &Contract, said: &str) -> String {
    let about = escape(object.description.as_deref().unwrap_or_default());
    // What the contract says of itself need not be said again.
    let about = if said.contains(&about) { String::new() } else { format!("<p>{about}</p>") };
    let grain = object.data_granularity_description.as_deref();
    let grain = grain.map(|it| format!("<p class=\"muted\">{}</p>", escape(it)));
    let columns: String =
        object.properties.iter().map(|property| column(property, promised)).collect();
    let others: Vec<&Rule> = promised.rules.iter().filter(|rule| of_table(rule)).collect();
    let rules = match others.is_empty() {
        true => String::new(),
        false => format!("<h3>About the whole table</h3>{}", rules(&others, object)),
    };
    let limits =
        [("warns", promised.thresholds.warn_below), ("halts", promised.thresholds.halt_below)];
    let limits: String = limits
        .iter()
        .filter_map(|(name, limit)| {
            Some(format!("<p>A batch {name} below a score of {}.</p>", (*limit)?))
        })
        .collect();
    format!(
        "<section id=\"{anchor}\"><h2>{}</h2>{about}{}<div class=\"wide\"><table class=\"rules\">\
         <thead><tr><th>column</th><th>type</th><th>meaning</th><th>promises</th></tr></thead>\
         <tbody>{columns}</tbody></table></div>{rules}{limits}</section>\n",
        escape(full_name(object)),
        grain.unwrap_or_default(),
    )
}

/// Whether a rule is not of one column alone.
fn of_table(rule: &Rule) -> bool {
    rule.check.columns().len() != 1
}

fn column(property: &Property, promised: &Contract) -> String {
    let kind = promised.column(&property.name).map(|column| column.kind.name());
    let badges = [
        (property.primary_key, "key"),
        (property.required, "required"),
        (property.unique, "unique"),
        (property.partitioned, "partition"),
        (property.critical_data_element, "critical"),
        (property.deprecated == Some(true), "deprecated"),
    ];
    let badges: String = badges
        .iter()
        .filter(|(there, _)| *there)
        .map(|(_, name)| format!("<span class=\"chip\">{name}</span>"))
        .collect();
    let class = property.classification.as_deref();
    let class = class.map(|it| format!("<span class=\"chip\">{}</span>", escape(it)));
    let examples = property.examples.iter().flatten().map(plain).collect::<Vec<_>>();
    let examples = match examples.is_empty() {
        true => String::new(),
        false => {
            format!("<br><span class=\"muted\">for example {}</span>", escape(&examples.join(", ")))
        }
    };
    let about = |rule: &&Rule| rule.check.columns() == [property.name.as_str()];
    let promises: String = promised
        .rules
        .iter()
        .filter(about)
        // The badge says it already.
        .filter(|rule| !matches!(rule.check, Check::NotNull { .. }) || !property.required)
        .map(one_promise)
        .collect();
    format!(
        "<tr><td><b>{}</b><br>{badges}{}</td><td>{}</td><td>{}{examples}</td><td>{promises}</td></tr>",
        escape(&property.name),
        class.unwrap_or_default(),
        escape(&kind.unwrap_or_default()),
        escape(property.description.as_deref().unwrap_or_default()),
    )
}

fn one_promise(rule: &Rule) -> String {
    let effect = match rule.on_fail {
        OnFail::Keep => "",
        OnFail::Quarantine => ", the row is set aside",
        OnFail::Halt => ", halts the batch",
    };
    format!(
        "<div class=\"promise\"><span class=\"dot {severity}\"></span><code>{}</code>\
         <span class=\"muted\"> {severity}{effect}</span></div>",
        escape(&promise(rule)),
        severity = rule.severity,
    )
}

fn rules(rules: &[&Rule], object: &SchemaObject) -> String {
    let row = |rule: &&Rule| {
        let about = object.quality.iter().find(|it| it.id.as_deref() == Some(&rule.name));
        let about = about.and_then(|it| it.description.as_deref()).unwrap_or_default();
        format!(
            "<tr><td><b>{}</b></td><td>{}</td><td>{}</td></tr>",
            escape(&rule.name),
            one_promise(rule),
            escape(about)
        )
    };
    let rows: String = rules.iter().map(row).collect();
    format!("<div class=\"wide\"><table class=\"rules\"><tbody>{rows}</tbody></table></div>")
}

fn services(file: &ContractFile) -> String {
    let levels = &file.body.sla_properties;
    if levels.is_empty() {
        return String::new();
    }
    let row = |level: &assay_core::contract::SlaProperty| {
        format!(
            "<tr><td><b>{}</b></td><td>{} {}</td><td>{}</td><td>{}</td></tr>",
            escape(&level.property),
            escape(&plain(&level.value)),
            escape(level.unit.as_deref().unwrap_or_default()),
            escape(level.element.as_deref().unwrap_or_default()),
            escape(level.description.as_deref().unwrap_or_default()),
        )
    };
    let rows: String = levels.iter().map(row).collect();
    format!(
        "<section><h2>Service levels</h2><div class=\"wide\"><table class=\"rules\"><thead><tr>\
         <th>level</th><th>value</th><th>of</th><th>meaning</th></tr></thead><tbody>{rows}</tbody>\
         </table></div></section>\n"
    )
}

/// Who stands behind the contract, and where to ask.
fn people(file: &ContractFile) -> String {
    let team = file.body.team.as_ref();
    let members = team.and_then(|team| team.get("members").or(Some(team)));
    let members = members.and_then(Value::as_array).into_iter().flatten();
    let said = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let member = |member: &Value| {
        let name = said(member, "name").or_else(|| said(member, "username"))?;
        let role = said(member, "role").map(|role| format!(" ({role})")).unwrap_or_default();
        Some(format!("<li>{}</li>", escape(&format!("{name}{role}"))))
    };
    let channel = |channel: &Value| {
        let name = said(channel, "channel")?;
        let place = said(channel, "url").unwrap_or_default();
        Some(format!("<li>{}</li>", escape(&format!("{name} {place}"))))
    };
    let items: String = members
        .filter_map(member)
        .chain(file.body.support.iter().flatten().filter_map(channel))
        .collect();
    match items.is_empty() {
        true => String::new(),
        false => format!("<section><h2>People and support</h2><ul>{items}</ul></section>\n"),
    }
}

fn unjudged(file: &ContractFile) -> String {
    let items: String = file
        .unjudged()
        .iter()
        .map(|one| {
            format!(
                "<li>{} <span class=\"muted\">{}</span></li>",
                escape(&one.what),
                escape(&one.place)
            )
        })
        .collect();
    match items.is_empty() {
        true => String::new(),
        false => format!("<section><h2>Not judged by Assay</h2><ul>{items}</ul></section>\n"),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
