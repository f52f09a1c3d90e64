use assay_store::Role;
use clap::{Args as Group, Subcommand};

use super::Listen;

#[derive(Debug, Group)]
pub(crate) struct SidecarArgs {
    /// Where to listen: a port of this machine alone, or an address and a port [default: 127.0.0.1:8484]
    #[arg(long, value_name = "PORT")]
    pub(crate) listen: Option<Listen>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key, and show it once
    #[command(after_help = "\
Examples:
  assay keys create airflow                    sends events
  assay keys create grafana --role viewer      looks

The key is shown once: give it to the client, who sends it as
`Authorization: Bearer KEY`. Only its hash is kept, in the store;
collectors and sidecars of that store know it within a second. For a collector
on another machine the lines for its assay.yaml are printed as well.")]
    Create {
        /// Whose key it is
        name: String,
        /// viewer looks, writer sends, operator does both and changes things
        #[arg(long, default_value = "writer", value_name = "ROLE")]
        role: Role,
    },
    /// List the keys that were made, without the keys themselves
    #[command(after_help = "Examples:\n  assay keys list\n  assay keys list -o json")]
    List,
    /// Make a key open nothing any more
    #[command(after_help = "Example:\n  assay keys revoke airflow")]
    Revoke {
        /// Whose key it is
        name: String,
    },
}
