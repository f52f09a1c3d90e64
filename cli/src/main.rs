//! `assay`: parse, load the configuration, build, run.

mod app;
mod args;
mod avro_text;
mod commands;
mod config;
mod exit;
mod generate;
mod known;
mod output;
mod page;
mod progress;
mod pusher;
mod retention;
mod scratch;
mod shipped;
mod signals;
mod telemetry;
mod top;
mod waiting;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use crate::args::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plans of large queries are deep, and unoptimised code is generous with its frames. Memory is
/// taken only as far as a stack is used.
const STACK: usize = 128 << 20;

/// How long threads may go on when the work is done.
const LAST: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| args::in_our_words(error).exit());
    assay_core::hush_survived_panics();
    output::start_logging(args.verbose, args.follows(), args.draws());
    // The first thread has the stack that the system gives it.
    let work = std::thread::Builder::new().stack_size(STACK).spawn(move || work(args));
    let done = match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => Err(anyhow::Error::new(error).context("cannot start")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

fn work(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .context("cannot start")?;
    let done = runtime.block_on(async {
        let done = Box::pin(commands::run(args)).await;
        telemetry::end().await;
        done
    });
    // A question to a broker that is away goes on in its thread, and nobody waits for the answer.
    runtime.shutdown_timeout(LAST);
    done
}
