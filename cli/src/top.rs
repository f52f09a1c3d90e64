//! The live view of `assay top`: what is seen, how it is drawn, and the terminal that it is on.
//!
//! A frame is made of a [`Look`] and a [`View`] alone, so a test draws any that there can be.

mod look;
mod pace;
mod picture;
mod screen;
mod section;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use self::look::Look;
pub(crate) use self::picture::Picture;
pub(crate) use self::screen::{Screen, keys};
pub(crate) use self::view::{Press, View};
