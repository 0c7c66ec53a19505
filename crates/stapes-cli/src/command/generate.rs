//! `stapes gen`: declarations of probes as a C header, an object with semaphores, a Rust module or a table.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use stapes_declaration::object::Machine;
use stapes_declaration::{Provider, d_file, header, object, rust_file, rust_module, table};

const EXAMPLES: &str = "\
Examples:
  stapes gen myapp.d --header -o probes.h   macros for C and C++
  stapes gen myapp.d --rust                 a module for #[stapes::provider]
  stapes gen src/probes.rs --table          what to tell the users
  stapes gen myapp.d --object -o probes.o   semaphores, as dtrace -G makes

A project that calls dtrace builds with DTRACE='stapes dtrace'.";

/// Arguments of `stapes gen`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GenerateArgs {
    /// A DTrace provider file, or a Rust source with #[stapes::provider]
    file: PathBuf,

    #[command(flatten)]
    product: Product,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The architecture of the object
    #[arg(long, value_enum, value_name = "NAME")]
    arch: Option<Architecture>,

    /// Run the C preprocessor on a provider file first
    #[arg(short = 'C', long)]
    preprocess: bool,

    /// A folder in which the preprocessor looks for files
    #[arg(short = 'I', value_name = "DIR")]
    include: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Product {
    /// A C header: a macro for each probe, and _ENABLED()
    #[arg(long)]
    header: bool,
    /// An ELF object that defines the semaphores
    #[arg(long)]
    object: bool,
    /// Rust modules with #[stapes::provider]
    #[arg(long)]
    rust: bool,
    /// A Markdown table
    #[arg(long)]
    table: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Architecture {
    #[value(name = "x86_64")]
    X86_64,
    Aarch64,
}

pub(crate) fn generate(args: GenerateArgs) -> anyhow::Result<ExitCode> {
    let providers = read(&args.file, args.preprocess.then_some(&preprocessor_options(&args.include)[..]))?;
    let bytes = match &args.product {
        Product { header: true, .. } => header_of(&providers, &args.file),
        Product { object: true, .. } => {
            let machine = match args.arch {
                Some(Architecture::X86_64) => Some(Machine::X86_64),
                Some(Architecture::Aarch64) => Some(Machine::Aarch64),
                None => Machine::host(),
            };
            object_of(&providers, machine)?
        }
        Product { rust: true, .. } => rust_module::write(&providers)
            .map_err(|error| anyhow!("{}: {}", args.file.display(), error.message))?
            .into_bytes(),
        _ => table::write(&providers).into_bytes(),
    };
    write(args.output.as_deref(), &bytes)?;
    Ok(ExitCode::SUCCESS)
}

/// The C header for providers that were read from a file.
pub(super) fn header_of(providers: &[Provider], file: &Path) -> Vec<u8> {
    let name = file.file_name().unwrap_or(file.as_os_str());
    header::write(providers, &name.to_string_lossy()).into_bytes()
}

/// The object with the semaphores.
pub(super) fn object_of(providers: &[Provider], machine: Option<Machine>) -> anyhow::Result<Vec<u8>> {
    let machine = machine.context("there are objects for x86_64 and aarch64 only; say which by --arch")?;
    Ok(object::write(providers, machine))
}

/// Writes a file, or to standard output.
pub(super) fn write(output: Option<&Path>, bytes: &[u8]) -> anyhow::Result<()> {
    match output {
        Some(path) => std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display())),
        None => Ok(io::stdout().write_all(bytes)?),
    }
}

/// What the preprocessor is told of folders.
fn preprocessor_options(folders: &[PathBuf]) -> Vec<OsString> {
    folders.iter().flat_map(|folder| [OsString::from("-I"), folder.into()]).collect()
}

/// Reads the providers of a file, through the preprocessor where there are options for it.
pub(super) fn read(file: &Path, preprocess: Option<&[OsString]>) -> anyhow::Result<Vec<Provider>> {
    let source = match preprocess {
        Some(options) => preprocessed(file, options)?,
        None => std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
    };
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    let providers = if is_rust { rust_file::parse(&source) } else { d_file::parse(&source) };
    let providers = providers.map_err(|error| anyhow!("{}:{error}", file.display()))?;
    if providers.is_empty() {
        bail!("{} declares no provider", file.display());
    }
    Ok(providers)
}

/// A file after the C preprocessor: `$CPP`, or `cpp`.
fn preprocessed(file: &Path, options: &[OsString]) -> anyhow::Result<String> {
    let words = std::env::var("CPP").unwrap_or_default();
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cpp"));
    command.args(words).args(options).arg(file).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| {
        format!(
            "cannot run {} (macros without parameters are understood without it)",
            command.get_program().display()
        )
    })?;
    if !output.status.success() {
        bail!("{} of {}: {}", command.get_program().display(), file.display(), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} is not UTF-8", file.display()))
}
