//! `missive completions` and `missive man`: what a shell and a manual have to know.

use std::{fs, io::Write as _};

use clap::CommandFactory as _;

use crate::{
    args::{Cli, Completions, Man},
    failure::Failure,
};

pub(crate) fn completions(args: &Completions) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "missive", &mut text);
    print(&text)
}

pub(crate) fn man(args: &Man) -> Result<(), Failure> {
    let Some(directory) = &args.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command().disable_help_subcommand(true))
            .render(&mut page)
            .map_err(|error| Failure::Io(error.to_string()))?;
        return print(&page);
    };
    let written = fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|error| Failure::Io(format!("{} cannot be written: {error}", directory.display())))
}

fn print(text: &[u8]) -> Result<(), Failure> {
    std::io::stdout().write_all(text).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::PipeClosed,
        _ => Failure::Io(error.to_string()),
    })
}
