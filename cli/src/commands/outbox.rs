use std::collections::BTreeSet;

use anyhow::Result;
use assay_store::{Action, AuditEntry, Chosen, Delivery, DeliveryState, TargetHealth};
use serde_json::json;

use crate::app::App;
use crate::args::{OutboxCommand, Picked};
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, printable, short, time};

pub(crate) async fn outbox(app: &App, command: &OutboxCommand, as_json: bool) -> Result<()> {
    match command {
        OutboxCommand::List { picked, limit } => list(app, picked, *limit, as_json).await,
        OutboxCommand::Show { number } => show(app, *number, as_json).await,
        OutboxCommand::Retry { numbers, picked } => retry(app, numbers, picked, as_json).await,
        OutboxCommand::Discard { numbers, picked, reason } => {
            discard(app, numbers, picked, reason, as_json).await
        }
        OutboxCommand::Deliver { target } => deliver(app, target.as_deref(), as_json).await,
    }
}

async fn list(app: &App, picked: &Picked, limit: u32, as_json: bool) -> Result<()> {
    let configured = app.config.targets.names();
    let mut targets = app.store.targets().await?;
    must_be_known(picked, &configured, &targets)?;
    let deliveries = app.store.outbox(&chosen(picked), limit).await?;
    // One that is not sent to any more is of the past when nothing of it is left.
    targets.retain(|one| match &picked.target {
        Some(asked) => *asked == one.target,
        None => configured.contains(&one.target) || one.waiting + one.parked > 0,
    });
    if as_json {
        return json(&json!({"targets": targets, "deliveries": deliveries}));
    }
    if targets.is_empty() {
        return line(
            "No target is configured: name one under `openmetadata` or `openlineage` in assay.yaml.",
        );
    }
    show_targets(app, &targets)?;
    if deliveries.is_empty() {
        let left = targets.iter().any(|target| target.waiting + target.parked > 0);
        return line(match left {
            true => "Nothing of what was asked for waits or is parked.",
            false => "Nothing waits and nothing is parked.",
        });
    }
    line("")?;
    let mut grid =
        Grid::new(&["number#", "target", "job", "kind", "state", "attempts#", "since", "why"]);
    for delivery in &deliveries {
        let Delivery { sequence, target, subject, attempts, .. } = delivery;
        grid.row([
            sequence.to_string(),
            target.clone(),
            short(subject, 40),
            delivery.kind.name().to_owned(),
            delivery.state.name().to_owned(),
            attempts.to_string(),
            time(delivery.enqueued_at),
            short(delivery.reason.as_deref().unwrap_or("–"), 60),
        ]);
    }
    grid.print()
}

/// A name that is misspelt would have nothing waiting.
fn must_be_known(picked: &Picked, configured: &[String], known: &[TargetHealth]) -> Result<()> {
    let Some(target) = &picked.target else { return Ok(()) };
    let all: BTreeSet<&str> =
        configured.iter().map(String::as_str).chain(known.iter().map(|one| &*one.target)).collect();
    if all.contains(target.as_str()) {
        return Ok(());
    }
    let there = match all.is_empty() {
        true => "none is configured".to_owned(),
        false => format!("there is {}", all.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Err(Usage(format!("there is no target `{target}`; {there}")).into())
}

fn show_targets(app: &App, targets: &[TargetHealth]) -> Result<()> {
    let configured = app.config.targets.names();
    let mut grid = Grid::new(&["target", "waiting#", "parked#", "delivered#", "failures#", "last"]);
    for target in targets {
        let name = match configured.contains(&target.target) {
            true => target.target.clone(),
            false => format!("{} (not configured)", target.target),
        };
        grid.row([
            name,
            number(target.waiting),
            number(target.parked),
            number(target.delivered),
            number(target.failures),
            target.last_success_at.map_or_else(|| "never".to_owned(), time),
        ]);
    }
    grid.print()?;
    for target in targets {
        if let (Some(until), Some(reason), 1..) =
            (target.held_until, &target.reason, target.waiting)
        {
            let said = format!("{} is tried again at {}: {reason}", target.target, time(until));
            line(printable(&said))?;
        }
    }
    Ok(())
}

async fn show(app: &App, number: u64, as_json: bool) -> Result<()> {
    let chosen = Chosen { sequence: Some(number), ..Chosen::default() };
    let found = app.store.outbox(&chosen, 1).await?;
    let Some(delivery) = found.first() else { return Err(none(number).into()) };
    if as_json {
        return json(delivery);
    }
    let Delivery { target, subject, event, .. } = delivery;
    line(printable(&format!("{number} to {target}: {} of {subject}", delivery.kind.name())))?;
    line(format!("event {event}, since {}", time(delivery.enqueued_at)))?;
    let (state, attempts) = (delivery.state.name(), delivery.attempts);
    match delivery.state {
        DeliveryState::Waiting => {
            line(format!("{state}, attempts {attempts}, next at {}", time(delivery.due_at)))?;
        }
        DeliveryState::Parked => line(format!("{state} after attempts {attempts}"))?,
    }
    if let Some(reason) = &delivery.reason {
        line(printable(&format!("because {reason}")))?;
    }
    json(&delivery.body)
}

async fn retry(app: &App, numbers: &[u64], picked: &Picked, as_json: bool) -> Result<()> {
    let now = app.clock.now();
    must_be_known(picked, &app.config.targets.names(), &app.store.targets().await?)?;
    let mut again = 0;
    for chosen in all(numbers, picked)? {
        again += app.store.retry(&chosen, now).await?;
    }
    if again == 0 {
        return Err(nothing().into());
    }
    match as_json {
        true => json(&json!({"retried": again})),
        false => line(format!("{} will be tried again at once.", number(again))),
    }
}

async fn discard(
    app: &App,
    numbers: &[u64],
    picked: &Picked,
    reason: &str,
    as_json: bool,
) -> Result<()> {
    must_be_known(picked, &app.config.targets.names(), &app.store.targets().await?)?;
    let mut gone = 0;
    for chosen in all(numbers, picked)? {
        let subject = match (chosen.sequence, &chosen.target) {
            (Some(number), _) => format!("delivery {number}"),
            (None, Some(target)) => format!("deliveries to {target}"),
            (None, None) => "deliveries".to_owned(),
        };
        let entry = AuditEntry {
            at: app.clock.now(),
            who: app.config.who.clone(),
            action: Action::Discard,
            subject,
            reason: reason.to_owned(),
            details: json!({"state": chosen.state}),
        };
        gone += app.store.discard(&chosen, &entry).await?;
    }
    if gone == 0 {
        return Err(nothing().into());
    }
    match as_json {
        true => json(&json!({"discarded": gone})),
        false => line(format!("{} given up; the events stay in the store.", number(gone))),
    }
}

async fn deliver(app: &App, target: Option<&str>, as_json: bool) -> Result<()> {
    let names = app.config.targets.names();
    if names.is_empty() {
        let what = "no target is configured: name one under `openmetadata` or `openlineage` in \
                    assay.yaml";
        return Err(Usage(what.to_owned()).into());
    }
    if let Some(unknown) = target.filter(|target| names.iter().all(|name| name != target)) {
        let known = names.join(", ");
        return Err(Usage(format!("there is no target `{unknown}`; there is {known}")).into());
    }
    for name in names.iter().filter(|name| target.is_none_or(|target| *name == target)) {
        app.store.let_go(name).await?;
    }
    let passed = app.courier()?.only(target).pass().await?;
    let targets = app.store.targets().await?;
    let meant = |health: &&TargetHealth| {
        names.contains(&health.target) && target.is_none_or(|target| health.target == target)
    };
    let left: u64 = targets.iter().filter(meant).map(|health| health.waiting).sum();
    match as_json {
        true => json(&json!({"delivered": passed.delivered, "parked": passed.parked,
            "failed": passed.failed, "busy": passed.busy, "waiting": left}))?,
        false => {
            let (delivered, parked) = (number(passed.delivered), number(passed.parked));
            line(format!("{delivered} delivered, {parked} parked, {} wait", number(left)))?;
            if passed.busy > 0 {
                line(
                    "Another process sends at this moment, or was killed within the last 15 seconds.",
                )?;
            }
            let all: Vec<TargetHealth> = targets.iter().filter(meant).cloned().collect();
            show_targets(app, &all)?;
        }
    }
    match left {
        0 => Ok(()),
        _ => {
            Err(anyhow::anyhow!("{} could not be delivered: see `assay outbox list`", number(left)))
        }
    }
}

fn chosen(picked: &Picked) -> Chosen {
    let state = match (picked.parked, picked.waiting) {
        (true, _) => Some(DeliveryState::Parked),
        (_, true) => Some(DeliveryState::Waiting),
        _ => None,
    };
    Chosen { target: picked.target.clone(), state, sequence: None }
}

/// What numbers and flags mean together; nothing said is a mistake, and never everything.
fn all(numbers: &[u64], picked: &Picked) -> Result<Vec<Chosen>, Usage> {
    let chosen = chosen(picked);
    if !numbers.is_empty() {
        let one = |number: &u64| Chosen { sequence: Some(*number), ..chosen.clone() };
        return Ok(numbers.iter().map(one).collect());
    }
    match chosen == Chosen::default() {
        true => Err(Usage("say which: numbers, --target, --parked or --waiting".to_owned())),
        false => Ok(vec![chosen]),
    }
}

fn none(number: u64) -> Usage {
    Usage(format!("there is no delivery {number}: what was delivered is gone from the outbox"))
}

fn nothing() -> Usage {
    Usage("nothing of that is in the outbox: see `assay outbox list`".to_owned())
}
