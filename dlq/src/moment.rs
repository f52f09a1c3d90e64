use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// A time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

impl Moment {
    /// The time that it is, seen from `now`.
    pub fn time(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Moment::At(at) => at,
            Moment::Ago(ago) => now - ago,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Moment::At(at.with_timezone(&Utc)));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Moment::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        // Whoever names no zone means that of all our times.
        let plain =
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        let plain = plain.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
        if let Some(at) = plain {
            return Ok(Moment::At(at.and_utc()));
        }
        let unit = text.char_indices().next_back();
        let ago = unit.and_then(|(at, unit)| {
            let number: i64 = text[..at].parse().ok()?;
            match unit {
                's' => TimeDelta::try_seconds(number),
                'm' => TimeDelta::try_minutes(number),
                'h' => TimeDelta::try_hours(number),
                'd' => TimeDelta::try_days(number),
                _ => None,
            }
        });
        ago.filter(|ago| *ago <= TimeDelta::days(36_500)).map(Moment::Ago).ok_or_else(|| {
            "write a day (2026-03-01), a time (2026-03-01T08:00:00Z), or how long ago (30m, 2h, 3d)"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!("2h".parse(), Ok(Moment::Ago(TimeDelta::hours(2))));
        for plain in ["2026-03-01T08:00:00", "2026-03-01 08:00", "2026-03-01T08:00:00.0"] {
            assert_eq!(plain.parse(), "2026-03-01T08:00:00Z".parse::<Moment>(), "{plain}");
        }
        assert_eq!("2026-03-01".parse(), "2026-03-01T00:00:00Z".parse::<Moment>());
        for wrong in ["", "h", "2x", "yesterday", "-", "2ü", "99999999999d"] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
