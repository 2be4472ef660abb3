//! `onrush route` and `onrush simulate`: open the files, let the router do the work, print.

use crate::args::{RouteArgs, SimulateArgs};
use crate::out::{Failure, Out};
use onrush_router::cli::{self, CliError};
use onrush_router::explain::Language;
use onrush_router::policy::Policy;
use onrush_router::simulate::Kpis;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

type Input = Box<dyn Read>;

/// What routes and simulations read from.
pub(crate) struct Files<'a> {
    pub(crate) nodes: &'a Path,
    pub(crate) inventory: &'a Path,
    pub(crate) orders: &'a Path,
    pub(crate) policy: Option<&'a Path>,
}

pub(crate) fn route(args: &RouteArgs, out: &Out) -> Result<(), Failure> {
    let files = args.files.paths();
    let mut read = open(&files, args.files.skip_bad)?;
    read.dry_run = args.dry_run;
    read.language = args.lang.into();
    let to_stdout = is_dash(&args.out);
    let sink = Sink { path: (!to_stdout).then(|| args.out.clone()), open: None };
    let summary = cli::run_route(read, sink).map_err(|e| failure(e, &args.out))?;
    say_left_out(out, &summary.skipped, &summary.unknown_columns);
    if !args.summary {
        return Ok(());
    }
    let value = json!({"kpis": summary.kpis, "skipped": counts(&summary.skipped)});
    // Plans on stdout keep it for themselves.
    match (to_stdout, out.json) {
        (false, _) => out.result(&value, || table(&summary.kpis)),
        (true, true) => {
            out.note(value);
            Ok(())
        }
        (true, false) => {
            out.note(table(&summary.kpis).trim_end());
            Ok(())
        }
    }
}

pub(crate) fn simulate(args: &SimulateArgs, out: &Out) -> Result<(), Failure> {
    let Some(given) = &args.files else {
        return Err(Failure::Usage("name --nodes, --inventory and --orders".to_owned()));
    };
    let files = given.paths();
    let route = open(&files, given.skip_bad)?;
    let other = match &args.against {
        Some(path) => {
            let text = text(path)?;
            let past = past_of(&text, path)?;
            Some((text, past))
        }
        None => None,
    };
    let found = cli::run_simulate(cli::SimulateArgs { route, other });
    let found = found.map_err(|error| failure(error, Path::new("-")))?;
    say_left_out(out, &found.skipped, &found.unknown_columns);
    let mut plots = Vec::new();
    if let Some(folder) = &args.plots {
        let fail = |path: &Path, e: io::Error| Failure::Failed(format!("{}: {e}", path.display()));
        std::fs::create_dir_all(folder).map_err(|e| fail(folder, e))?;
        for (name, svg) in &found.plots {
            let path = folder.join(name);
            std::fs::write(&path, svg).map_err(|e| fail(&path, e))?;
            plots.push(path.display().to_string());
        }
    }
    let policies: Vec<Value> =
        found.kpis.iter().map(|(name, kpis)| json!({"policy": name, "kpis": kpis})).collect();
    let value = json!({
        "policies": policies,
        "shadow": found.shadow,
        "skipped": counts(&found.skipped),
        "plots": plots,
    });
    out.result(&value, || {
        let drawn = plots.iter().map(|path| format!("{path}\n"));
        found.table() + &drawn.collect::<String>()
    })
}

fn open(files: &Files<'_>, skip_bad: bool) -> Result<ReadArgs, Failure> {
    let all = [Some(files.nodes), Some(files.inventory), Some(files.orders), files.policy];
    if all.into_iter().flatten().filter(|path| is_dash(path)).count() > 1 {
        return Err(Failure::Usage("only one file can be `-`, standard input".to_owned()));
    }
    let (policy, past) = match files.policy {
        Some(path) => {
            let policy = text(path)?;
            let past = past_of(&policy, path)?;
            (policy, past)
        }
        None => (String::new(), None),
    };
    Ok(cli::RouteArgs {
        nodes: input(files.nodes)?,
        inventory: input(files.inventory)?,
        orders: input(files.orders)?,
        past,
        policy,
        skip_bad,
        dry_run: false,
        language: Language::English,
    })
}

type ReadArgs = cli::RouteArgs<Input, Input, Input, Input>;

/// Open the past orders that a policy names; the path counts from the policy's folder.
fn past_of(policy: &str, at: &Path) -> Result<Option<Input>, Failure> {
    // A policy that is not valid is reported in full by whoever reads it next.
    let Ok(policy) = Policy::from_toml(policy) else { return Ok(None) };
    let named = policy.prices.forecast.filter(|_| policy.prices.enabled);
    let Some(named) = named else { return Ok(None) };
    let folder = if is_dash(at) { None } else { at.parent() };
    let path = folder.unwrap_or_else(|| Path::new("")).join(&named);
    let file = File::open(&path).map_err(|e| {
        Failure::Failed(format!("{}: {e}; the policy names it as its forecast", path.display()))
    })?;
    Ok(Some(Box::new(file)))
}

pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = input(path)?.read_to_string(&mut text);
    read.map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?;
    Ok(text)
}

pub(crate) fn input(path: &Path) -> Result<Input, Failure> {
    if is_dash(path) {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?;
    Ok(Box::new(file))
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

fn failure(error: CliError, to: &Path) -> Failure {
    match error {
        CliError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Failure::NoReader,
        CliError::Write(error) => Failure::Failed(format!("{}: {error}", to.display())),
        other => Failure::of(other),
    }
}

fn say_left_out(out: &Out, skipped: &[(&str, usize)], unknown: &[(&str, String)]) {
    for (file, column) in unknown {
        out.note(format_args!("{file}: column {column} is not known and was not read"));
    }
    for (file, rows) in skipped {
        out.note(format_args!("{file}: {rows} bad rows were left out"));
    }
}

fn counts(skipped: &[(&str, usize)]) -> Value {
    skipped.iter().map(|(file, rows)| ((*file).to_owned(), Value::from(*rows))).collect()
}

fn table(kpis: &Kpis) -> String {
    kpis.rows().iter().map(|(name, value)| format!("{name:<26}{value:>18}\n")).collect()
}

/// A file that is made with its first byte, so that refused input leaves an older one alone.
struct Sink {
    /// `None` is standard output.
    path: Option<PathBuf>,
    open: Option<Box<dyn Write>>,
}

impl Sink {
    fn open(&mut self) -> io::Result<&mut Box<dyn Write>> {
        if self.open.is_none() {
            self.open = Some(match &self.path {
                Some(path) => Box::new(BufWriter::new(File::create(path)?)),
                None => Box::new(BufWriter::new(io::stdout().lock())),
            });
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("nothing is open"))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open()?.flush()
    }
}
