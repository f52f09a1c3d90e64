//! Events of a shop, with what must become of each.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Builder;

use super::random::Random;
use super::truth::{Fate, Sale};

/// How many events are remembered, to be sent again.
const REMEMBERED: usize = 64;

/// Events may come out of their order by so many seconds and are still on time …
const ON_TIME: u64 = 299;

/// … and what is further behind is late.
const LATE_AFTER: u64 = 301;

const DEFECTS: [&str; 10] = [
    "no id",
    "no time",
    "unknown type",
    "no order",
    "negative amount",
    "amount of many digits",
    "amount that is no number",
    "unknown currency",
    "a clock a day ahead",
    "broken JSON",
];

/// What share of the events is special, 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shares {
    pub(crate) defects: f64,
    pub(crate) late: f64,
    pub(crate) duplicates: f64,
}

/// One message, and what must become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) partition: u32,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) fate: Fate,
}

/// Makes events, the same for the same seed, beginning and times.
#[derive(Debug, Clone)]
pub(crate) struct Ecommerce {
    random: Random,
    shares: Shares,
    partitions: u32,
    /// Of each partition whether an event on time was sent, and the latest time of one.
    latest: Vec<Option<DateTime<Utc>>>,
    /// No event on time happens before that: it would be late behind what was sent before.
    floor: Option<DateTime<Utc>>,
    remembered: Vec<Message>,
    defects: usize,
    /// When the log takes the events, whenever they happen.
    now: DateTime<Utc>,
}

impl Ecommerce {
    pub(crate) fn new(seed: u64, begin: DateTime<Utc>, shares: Shares, partitions: u32) -> Self {
        // Another beginning gives other ids, or what is sent twice would be taken for the same.
        let begin = begin.timestamp_micros().cast_unsigned();
        Ecommerce {
            random: Random::seeded(Random::of(seed) ^ Random::of(begin)),
            shares,
            partitions: partitions.max(1),
            latest: vec![None; partitions.max(1) as usize],
            floor: None,
            remembered: Vec::new(),
            defects: 0,
            now: DateTime::default(),
        }
    }

    /// The same behind events that were sent already, the latest of which happened then.
    pub(crate) fn behind(mut self, latest: Option<DateTime<Utc>>) -> Self {
        self.floor = latest.map(|latest| latest - TimeDelta::seconds(ON_TIME.cast_signed()));
        self
    }

    /// The next event, which happens at `at`, or some minutes before, and is sent `now`.
    pub(crate) fn next(&mut self, at: DateTime<Utc>, now: DateTime<Utc>) -> Message {
        self.now = now;
        let drawn = self.random.below(1_000_000) as f64 / 1_000_000.0;
        let Shares { defects, late, duplicates } = self.shares;
        if drawn < defects {
            return self.defect(at);
        }
        if drawn < defects + late {
            // Nothing is late before anything is on time.
            return self.late().unwrap_or_else(|| self.good(at));
        }
        if drawn < defects + late + duplicates && !self.remembered.is_empty() {
            let place = self.random.below(self.remembered.len() as u64) as usize;
            let again = self.remembered[place].clone();
            return Message { fate: Fate::Again, ..again };
        }
        self.good(at)
    }

    fn good(&mut self, at: DateTime<Utc>) -> Message {
        // One in five comes out of its order.
        let behind = if self.random.one_in(5) { self.random.below(ON_TIME * 1000) } else { 0 };
        let at = at - TimeDelta::milliseconds(behind.cast_signed());
        let at = self.floor.map_or(at, |floor| at.max(floor));
        let (sale, event, order) = self.sale(at);
        let message = self.message(order, event.to_string(), Fate::Counts(sale));
        let latest = &mut self.latest[message.partition as usize];
        *latest = (*latest).max(Some(at));
        match self.remembered.len() < REMEMBERED {
            true => self.remembered.push(message.clone()),
            false => {
                let place = self.random.below(REMEMBERED as u64) as usize;
                self.remembered[place] = message.clone();
            }
        }
        message
    }

    /// An event that is late in its partition; none while no partition has an event.
    fn late(&mut self) -> Option<Message> {
        let order = self.order();
        let latest = self.latest[self.partition_of(order) as usize]?;
        let behind = LATE_AFTER * 1000 + self.random.below(3_600_000);
        let at = latest - TimeDelta::milliseconds(behind.cast_signed());
        let (sale, event) = self.sale_of(order, at);
        Some(self.message(order, event.to_string(), Fate::Late(sale)))
    }

    fn defect(&mut self, at: DateTime<Utc>) -> Message {
        let defect = DEFECTS[self.defects % DEFECTS.len()];
        self.defects += 1;
        let (_, mut event, order) = self.sale(at);
        match defect {
            "no id" => event["id"] = Value::Null,
            "no time" => event["eventTime"] = Value::Null,
            "unknown type" => event["eventType"] = "payment_refunded".into(),
            "no order" => event["orderId"] = Value::Null,
            "negative amount" => event["amount"] = (-5.25).into(),
            "amount of many digits" => event["amount"] = 1e15.into(),
            "amount that is no number" => event["amount"] = "NaN".into(),
            "unknown currency" => event["currency"] = "EUR".into(),
            "a clock a day ahead" => {
                event["eventTime"] = time(self.now + TimeDelta::days(1)).into();
            }
            _ => {}
        }
        let mut text = event.to_string();
        if defect == "broken JSON" {
            text.pop();
        }
        self.message(order, text, Fate::Bad(defect.to_owned()))
    }

    fn order(&mut self) -> u64 {
        100_000 + self.random.below(900_000)
    }

    fn partition_of(&self, order: u64) -> u32 {
        (Random::of(order) % u64::from(self.partitions)) as u32
    }

    fn sale(&mut self, at: DateTime<Utc>) -> (Sale, Value, u64) {
        let order = self.order();
        let (sale, event) = self.sale_of(order, at);
        (sale, event, order)
    }

    fn sale_of(&mut self, order: u64, at: DateTime<Utc>) -> (Sale, Value) {
        let random = &mut self.random;
        let (status, kinds) = match random.below(10) {
            0..7 => ("success", ["payment_success", "order_created"]),
            7..9 => ("pending", ["payment_initiated", "order_created"]),
            _ => ("failed", ["payment_failed", "order_cancelled"]),
        };
        let kind = random.pick(&kinds);
        let bytes = u128::from(random.next()) << 64 | u128::from(random.next());
        let id = Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid().to_string();
        let (currency, cents) = match random.one_in(2) {
            true => ("VND", random.between(1, 5_000) * 100_000),
            false => ("USD", random.between(1, 200_000)),
        };
        // To the microsecond, as Postgres keeps it.
        let micros = at.timestamp_micros();
        let sale = Sale { id: id.clone(), at: micros, kind: kind.to_owned(), cents };
        let amount: serde_json::Number = match cents % 100 {
            0 => (cents / 100).into(),
            _ => serde_json::Number::from_f64(cents as f64 / 100.0).unwrap_or_else(|| 0.into()),
        };
        let user = random.between(1000, 10_000);
        let event = json!({
            "id": id, "eventTime": time(at), "eventType": kind,
            "orderId": format!("ORD{order}"), "userId": format!("USR{user}"),
            "amount": amount, "currency": currency, "status": status,
        });
        (sale, event)
    }

    fn message(&self, order: u64, value: String, fate: Fate) -> Message {
        Message { partition: self.partition_of(order), key: format!("ORD{order}"), value, fate }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(seed: u64, shares: Shares) -> Vec<Message> {
        messages_from("2026-03-01T12:00:00Z".parse().unwrap(), None, (seed, shares))
    }

    fn messages_from(
        begin: DateTime<Utc>,
        sent: Option<DateTime<Utc>>,
        (seed, shares): (u64, Shares),
    ) -> Vec<Message> {
        let mut events = Ecommerce::new(seed, begin, shares, 3).behind(sent);
        let at = |place: i64| begin + TimeDelta::milliseconds(place * 200);
        (0..2000).map(|place| events.next(at(place), at(place))).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_events_and_another_one_others() {
        let shares = Shares { defects: 0.1, late: 0.05, duplicates: 0.1 };
        assert_eq!(messages(1, shares), messages(1, shares));
        assert_ne!(messages(1, shares), messages(2, shares));
        let all = messages(1, shares);
        let count = |wanted: fn(&Fate) -> bool| all.iter().filter(|m| wanted(&m.fate)).count();
        assert!((150..250).contains(&count(|fate| matches!(fate, Fate::Bad(_)))));
        assert!((60..140).contains(&count(|fate| matches!(fate, Fate::Late(_)))));
        assert!((150..250).contains(&count(|fate| matches!(fate, Fate::Again))));
    }

    #[test]
    fn what_counts_is_never_five_minutes_behind_its_partition_and_what_is_late_always() {
        let mut latest = [i64::MIN; 3];
        let shares = Shares { defects: 0.0, late: 0.2, duplicates: 0.0 };
        let mut sent = messages(7, shares);
        // Others that begin in the past of the first ones.
        let at = |message: &Message| match &message.fate {
            Fate::Counts(sale) => DateTime::from_timestamp_micros(sale.at),
            _ => None,
        };
        let last = sent.iter().filter_map(at).max();
        let begin = last.unwrap() - TimeDelta::seconds(390);
        sent.extend(messages_from(begin, last, (8, shares)));
        for message in sent {
            let latest = &mut latest[message.partition as usize];
            match message.fate {
                Fate::Counts(sale) => {
                    assert!(sale.at > latest.saturating_sub(300_000_000));
                    *latest = sale.at.max(*latest);
                }
                Fate::Late(sale) => assert!(sale.at < *latest - 300_000_000),
                fate => panic!("{fate:?}"),
            }
        }
    }
}
