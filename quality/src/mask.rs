use std::fmt;
use std::sync::Arc;

/// The rules that a row broke: a bit for each rule about rows, however many there are. Copies share
/// their memory.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mask(Arc<[u64]>);

impl Mask {
    pub(crate) fn of(bits: impl IntoIterator<Item = usize>) -> Mask {
        let mut words = Vec::new();
        for bit in bits {
            let word = bit / 64;
            if word >= words.len() {
                // No word stands at the end without a bit in it, so that equal sets are equal.
                words.resize(word + 1, 0);
            }
            words[word] |= 1_u64 << (bit % 64);
        }
        Mask(words.into())
    }

    /// Whether the row broke no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// The bits in rising order.
    pub(crate) fn bits(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(place, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(place * 64 + bit)
            })
        })
    }

    pub(crate) fn meets(&self, other: &Mask) -> bool {
        self.0.iter().zip(other.0.iter()).any(|(one, other)| one & other != 0)
    }

    pub(crate) fn and(&self, other: &Mask) -> Mask {
        Mask::of(self.bits().filter(|bit| other.has(*bit)))
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.bits()).finish()
    }
}
