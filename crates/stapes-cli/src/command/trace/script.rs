//! The script that `stapes trace` stands for: one block a probe, one line an event, in bcc trace's columns.
//!
//! ```text
//! TIME     PID     TID     COMM            FUNC             -
//! 6.942259 14378   14378   loop            tick             923056 0 hello world
//! ```

use stapes_session::binary::Probe;

use super::spec::{Place, Spec};

/// Which columns there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// The time, and how.
    pub(crate) time: Option<Time>,
    /// The CPU.
    pub(crate) cpu: bool,
    /// A stack of the process behind each event.
    pub(crate) user_stack: bool,
    /// A stack of the kernel behind each event.
    pub(crate) kernel_stack: bool,
}

/// How the time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// Seconds since the start.
    Relative,
    /// The time of day.
    Day,
}

/// The whole script.
pub(crate) fn script(specs: &[Spec], columns: Columns) -> String {
    let mut script = header(columns);
    for spec in specs {
        script.push_str(&block(spec, columns));
    }
    script
}

fn header(columns: Columns) -> String {
    let time = if columns.time.is_some() { format!("{:<8} ", "TIME") } else { String::new() };
    let cpu = if columns.cpu { format!("{:<3} ", "CPU") } else { String::new() };
    let line = format!("{time}{cpu}{:<7} {:<7} {:<15} {:<16} -", "PID", "TID", "COMM", "FUNC");
    format!("BEGIN {{ printf(\"{line}\\n\"); }}\n")
}

fn block(spec: &Spec, columns: Columns) -> String {
    let mut format = String::new();
    let mut arguments = Vec::new();
    match columns.time {
        Some(Time::Relative) => {
            format.push_str("%d.%06d ");
            arguments.extend(["elapsed / 1000000000".to_owned(), "elapsed % 1000000000 / 1000".to_owned()]);
        }
        Some(Time::Day) => {
            format.push_str("%-8s ");
            arguments.push("strftime(\"%H:%M:%S\", nsecs)".to_owned());
        }
        None => {}
    }
    if columns.cpu {
        format.push_str("%-3d ");
        arguments.push("cpu".to_owned());
    }
    format.push_str("%-7d %-7d %-15s %-16s ");
    arguments.extend(["pid", "tid", "comm"].map(str::to_owned));
    arguments.push(format!("\"{}\"", spec.place.name().replace('\\', "\\\\").replace('"', "\\\"")));
    if let Some((literal, values)) = &spec.format {
        format.push_str(&literal[1..literal.len() - 1]);
        arguments.extend(values.iter().cloned());
    }
    if columns.kernel_stack {
        format.push_str("%s");
        arguments.push("kstack".to_owned());
    }
    if columns.user_stack {
        format.push_str("%s");
        arguments.push("ustack".to_owned());
    }
    let print = format!("printf(\"{format}\\n\", {});", arguments.join(", "));
    match &spec.filter {
        // Not a predicate, where a division would end it.
        Some(filter) => format!("{} {{ if ({filter}) {{ {print} }} }}\n", point(&spec.place)),
        None => format!("{} {{ {print} }}\n", point(&spec.place)),
    }
}

/// A format that prints every argument of a probe that can be printed; `None` where there is none.
pub(crate) fn all_arguments(probe: &Probe) -> Option<(String, Vec<String>)> {
    let (mut formats, mut arguments) = (Vec::new(), Vec::new());
    let most = probe.sites.iter().map(|site| site.args.len()).max().unwrap_or(0);
    for index in 0..most {
        // Only what every site has, and what is no float.
        let specs = probe.sites.iter().map(|site| site.args.get(index).and_then(|a| a.spec.as_ref().ok()));
        let Some(specs) = specs.collect::<Option<Vec<_>>>() else { continue };
        if specs.iter().any(|spec| spec.float) {
            continue;
        }
        let signed = specs.iter().any(|spec| spec.signed);
        let wide = specs.iter().all(|spec| spec.size == 8);
        let conversion = match (signed, wide) {
            (true, _) => "%d",
            (false, true) => "%#x",
            (false, false) => "%u",
        };
        formats.push(format!("arg{index}={conversion}"));
        arguments.push(format!("arg{index}"));
    }
    (!formats.is_empty()).then(|| (format!("\"{}\"", formats.join(" ")), arguments))
}

/// The attach point.
fn point(place: &Place) -> String {
    use stapes_session::discovery::spec::quoted;
    match place {
        Place::Usdt { path, provider, name } => {
            format!("usdt:{}:{}:{}", quoted(path), quoted(provider), quoted(name))
        }
        Place::Function { path, function, ret } => {
            let kind = if *ret { "uretprobe" } else { "uprobe" };
            format!("{kind}:{}:{}", quoted(path), quoted(function))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::parse;
    use super::*;

    #[test]
    fn a_line_an_event() {
        let specs = [parse(r#"/bin/x:bench:tick (arg0 > 5) "%d %s", arg0, str(arg2)"#).unwrap()];
        let columns = Columns { time: Some(Time::Relative), ..Columns::default() };
        assert_eq!(
            script(&specs, columns),
            "BEGIN { printf(\"TIME     PID     TID     COMM            FUNC             -\\n\"); }\n\
             usdt:/bin/x:bench:tick { if (arg0 > 5) { printf(\"%d.%06d %-7d %-7d %-15s %-16s %d %s\\n\", \
             elapsed / 1000000000, elapsed % 1000000000 / 1000, pid, tid, comm, \"tick\", arg0, str(arg2)); } }\n"
        );
    }

    #[test]
    fn odd_paths_are_quoted() {
        let spec = parse(r#"u:"/a b:c":tick"#).unwrap();
        assert_eq!(point(&spec.place), r#"usdt:"/a b:c":*:tick"#);
        let spec = parse("r:/bin/x:main").unwrap();
        assert_eq!(point(&spec.place), "uretprobe:/bin/x:main");
    }
}
