//! What the trait promises, held against every log; and what only Kafka has.

mod both;
mod broker;
mod desk;
mod gaps;
mod groups;
mod law;
mod login;
