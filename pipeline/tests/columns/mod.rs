//! From which columns a column is made.

mod desk;
mod laws;
mod queries;
mod shipped;
mod unknown;
