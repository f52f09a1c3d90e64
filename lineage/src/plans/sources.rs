//! Sets of input columns, each with its uses as bits.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::text::Made;
use crate::columns::{Direct, Indirect};

/// What an input column is used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uses(u16);

/// Above the three direct uses the same three of masked values, above these the indirect ones.
const MASKED: u16 = 3;
const INDIRECT: u16 = 6;

impl Uses {
    fn direct(kind: Direct, masked: bool) -> Uses {
        Uses(1 << (kind as u16 + if masked { MASKED } else { 0 }))
    }

    fn indirect(kind: Indirect) -> Uses {
        Uses(1 << (kind as u16 + INDIRECT))
    }

    fn has(self, other: Uses) -> bool {
        self.0 & other.0 != 0
    }

    /// The strongest direct use.
    pub(super) fn strongest(self) -> Option<Direct> {
        let used = |kind: &Direct| self.has(Uses::of_kind(*kind));
        Direct::ALL.into_iter().rev().find(used)
    }

    fn of_kind(kind: Direct) -> Uses {
        Uses(Uses::direct(kind, false).0 | Uses::direct(kind, true).0)
    }

    /// Whether values are used, and all of them masked.
    pub(super) fn masked(self) -> bool {
        let open = Direct::ALL.into_iter().any(|kind| self.has(Uses::direct(kind, false)));
        self.strongest().is_some() && !open
    }

    pub(super) fn deciding(self) -> BTreeSet<Indirect> {
        Indirect::ALL.into_iter().filter(|kind| self.has(Uses::indirect(*kind))).collect()
    }
}

/// How an expression uses what stands below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Direct { kind: Direct, masked: bool },
    Indirect(Indirect),
}

impl Role {
    pub(super) const IDENTITY: Role = Role::Direct { kind: Direct::Identity, masked: false };
    pub(super) const TRANSFORMATION: Role =
        Role::Direct { kind: Direct::Transformation, masked: false };

    /// The role of what an expression of this role makes something else of.
    pub(super) fn at_least(self, least: Direct) -> Role {
        match self {
            Role::Direct { kind, masked } => Role::Direct { kind: kind.max(least), masked },
            Role::Indirect(_) => self,
        }
    }

    pub(super) fn masked(self) -> Role {
        match self {
            Role::Direct { kind, .. } => Role::Direct { kind, masked: true },
            Role::Indirect(_) => self,
        }
    }

    /// The role of what only decides; what decides about something that decides, decides the same.
    pub(super) fn deciding(self, what: Indirect) -> Role {
        match self {
            Role::Direct { .. } => Role::Indirect(what),
            Role::Indirect(_) => self,
        }
    }

    /// The uses of what has `uses` below.
    fn of(self, uses: Uses) -> Uses {
        match self {
            Role::Indirect(what) => Uses::indirect(what),
            Role::IDENTITY => uses,
            Role::Direct { kind, masked } => {
                let mut all = uses.0 >> INDIRECT << INDIRECT;
                for below in Direct::ALL {
                    for hidden in [false, true] {
                        if uses.has(Uses::direct(below, hidden)) {
                            all |= Uses::direct(below.max(kind), hidden || masked).0;
                        }
                    }
                }
                Uses(all)
            }
        }
    }
}

/// Input columns by their number, sorted, with their uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) used: Vec<(u32, Uses)>,
    /// Something that is not known is used as well.
    pub(super) unknown: bool,
}

impl Sources {
    pub(super) fn one(column: u32, role: Role) -> Sources {
        let uses = role.of(Uses::direct(Direct::Identity, false));
        Sources { used: vec![(column, uses)], unknown: false }
    }

    pub(super) fn not_known() -> Sources {
        Sources { used: vec![], unknown: true }
    }

    /// Adds what has the role `role`.
    pub(super) fn add(&mut self, role: Role, other: &Sources) {
        self.unknown |= other.unknown;
        for (column, uses) in &other.used {
            let uses = role.of(*uses);
            match self.used.binary_search_by_key(column, |(column, _)| *column) {
                Ok(place) => self.used[place].1.0 |= uses.0,
                Err(place) => self.used.insert(place, (*column, uses)),
            }
        }
    }

    pub(super) fn join(&mut self, other: &Sources) {
        self.add(Role::IDENTITY, other);
    }
}

/// A column in the middle of a plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Column<'p> {
    pub(super) sources: Sources,
    /// What made it; absent for what goes through as it is.
    pub(super) made: Option<Rc<Made<'p>>>,
}

/// What a node of a plan gives: columns by their position, and what decides about its rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation<'p> {
    pub(super) columns: Vec<Column<'p>>,
    pub(super) rows: Sources,
}

impl Relation<'_> {
    /// `count` columns of which nothing is known.
    pub(super) fn not_known(count: usize) -> Self {
        let column = Column { sources: Sources::not_known(), made: None };
        Relation { columns: vec![column; count], rows: Sources::not_known() }
    }

    /// Columns without inputs.
    pub(super) fn constant(count: usize) -> Self {
        Relation { columns: vec![Column::default(); count], rows: Sources::default() }
    }
}
