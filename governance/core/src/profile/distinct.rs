use std::fmt;

use serde::{Deserialize, Serialize};

/// Registers; the count is then off by some 3 percent.
const REGISTERS: usize = 1 << BITS;
const BITS: u32 = 10;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// About how many different values there are (HyperLogLog), which merges without any loss. Written
/// as a text: a letter for each register, or three for each that is not empty where that is less.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Distinct(Vec<u8>);

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct(vec![0; REGISTERS])
    }
}

impl Distinct {
    /// Takes in a value by its hash, all of whose bits look like chance.
    pub fn add(&mut self, hash: u64) {
        let register = (hash >> (64 - BITS)) as usize;
        // The bit that is set at the end bounds the number of zeros.
        let zeros = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros();
        let rank = u8::try_from(zeros + 1).unwrap_or(u8::MAX);
        self.0[register] = self.0[register].max(rank);
    }

    pub fn merge(&mut self, other: &Distinct) {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            *ours = (*ours).max(*theirs);
        }
    }

    /// The estimate: of few values by the registers that are empty, else by the ranks.
    pub fn count(&self) -> u64 {
        let registers = REGISTERS as f64;
        let empty = self.0.iter().filter(|rank| **rank == 0).count();
        let sum: f64 = self.0.iter().map(|rank| 0.5_f64.powi(i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let count = match empty {
            1.. if raw <= 2.5 * registers => registers * (registers / empty as f64).ln(),
            _ => raw,
        };
        count.round() as u64
    }
}

impl fmt::Debug for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distinct({})", self.count())
    }
}

impl From<Distinct> for String {
    fn from(distinct: Distinct) -> String {
        let letter = |number: usize| char::from(LETTERS[number % 64]);
        let set = || distinct.0.iter().enumerate().filter(|(_, rank)| **rank > 0);
        if set().count() * 3 >= REGISTERS {
            return distinct.0.iter().map(|rank| letter(usize::from(*rank))).collect();
        }
        set()
            .flat_map(|(at, rank)| [letter(at / 64), letter(at), letter(usize::from(*rank))])
            .collect()
    }
}

impl TryFrom<String> for Distinct {
    type Error = String;

    fn try_from(text: String) -> Result<Distinct, String> {
        let damaged = || "a count of different values is damaged".to_owned();
        let number = |byte: &u8| LETTERS.iter().position(|letter| letter == byte);
        let numbers: Vec<usize> =
            text.as_bytes().iter().map(number).collect::<Option<_>>().ok_or_else(damaged)?;
        let rank = |number: usize| u8::try_from(number).map_err(|_| damaged());
        if numbers.len() == REGISTERS {
            return numbers.into_iter().map(rank).collect::<Result<_, _>>().map(Distinct);
        }
        let mut distinct = Distinct::default();
        for triple in numbers.chunks(3) {
            let [high, low, found] = triple else { return Err(damaged()) };
            let register = distinct.0.get_mut(high * 64 + low).ok_or_else(damaged)?;
            *register = rank(*found)?;
        }
        Ok(distinct)
    }
}
