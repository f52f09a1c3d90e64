//! `assay`: parse, load the configuration, build, run.

mod app;
mod args;
mod avro_text;
mod commands;
mod config;
mod exit;
mod generate;
mod output;
mod progress;
mod retention;
mod scratch;
mod shipped;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    output::start_logging(args.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Plans of large queries are deep, and unoptimised code is generous with its frames.
        .thread_stack_size(8 << 20)
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(args)),
        Err(error) => Err(anyhow::Error::new(error).context("cannot start")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
