use clap::Args as Group;

#[derive(Debug, Group)]
pub(crate) struct MetricsArgs {
    /// Push them to the Pushgateway that assay.yaml names, instead of writing them
    #[arg(long)]
    pub(crate) push: bool,
}
