//! Arguments of what goes on until it is told to stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use clap::Args as Group;

#[derive(Debug, Group)]
pub(crate) struct PauseArgs {
    /// The stage, as its pipeline names it, or as `run` does where that is one stage
    pub(crate) stage: String,
    /// A shipped pipeline's name, or a folder
    #[arg(long, value_name = "P")]
    pub(crate) pipeline: String,
    /// Why, in your words: it is kept, see `assay audit`
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Where to listen: a port of this machine alone, or an address with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text.trim_start_matches(':').parse::<u16>();
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let address = port.map(local).or_else(|_| text.parse());
        let wrong = |_| "write a port, or an address and a port: 8321, 127.0.0.1:8321".to_owned();
        address.map(Listen).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::Listen;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        let listen = |text: &str| text.parse().map(|listen: Listen| listen.0.to_string());
        assert_eq!(listen("8321").unwrap(), "127.0.0.1:8321");
        assert_eq!(listen("0.0.0.0:80").unwrap(), "0.0.0.0:80");
        assert!(listen("here").unwrap_err().contains("127.0.0.1:8321"));
    }
}
