//! `stapes trace`: columns, filters, formats, bcc's spelling.

use std::path::PathBuf;

use super::support::*;
use super::tracer::*;

const PROGRAM: &str = r#"
#include <sys/sdt.h>
#include <stdlib.h>
__attribute__((noinline)) int tick(long i, const char *text) {
    STAP_PROBE3(bench, tick, i, (int)-i, text);
    return i + 1;
}
int main(int argc, char **argv) {
    for (long i = 0; i < atol(argv[1]); i++) tick(i, "hello world");
    return 0;
}
"#;

fn target(test: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    if !root(test) || !can_compile(test) {
        return None;
    }
    let folder = folder();
    let program = compile(folder.path(), "loop", PROGRAM, &[]);
    Some((folder, program))
}

fn trace(program: &std::path::Path, args: &[&str]) -> Vec<String> {
    let command = format!("{} 5", program.display());
    let mut all = vec!["trace", "-q", "-c", &command];
    all.extend(args);
    run(&all).ok().lines().iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn columns_are_those_of_bcc() {
    let Some((_folder, program)) = target("columns_are_those_of_bcc") else { return };
    let probe = format!("{}:bench:tick (arg0 == 3) \"%d %s\", arg1, str(arg2)", program.display());
    let lines = trace(&program, &[&probe]);
    assert_eq!(lines[0], "PID     TID     COMM            FUNC             -");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (pid, rest) = lines[1].split_at(8);
    assert!(pid.trim().parse::<u32>().is_ok());
    assert_eq!(rest, format!("{pid}loop            tick             -3 hello world"));
}

#[test]
fn bcc_one_liners_mean_what_they_mean_there() {
    let Some((_folder, program)) = target("bcc_one_liners_mean_what_they_mean_there") else { return };
    let path = program.display();
    let probe = format!("u:{path}:tick (arg1 > 2) \"%d %d %s\", arg1, arg2, arg3");
    let lines = trace(&program, &[&probe]);
    let messages: Vec<&str> = lines[1..].iter().map(|line| line[49..].trim_end()).collect();
    assert_eq!(messages, ["3 -3 hello world", "4 -4 hello world"]);
    let (start, end) = (format!("p:{path}:tick \"%d\", arg1"), format!("r:{path}:tick \"%d\", retval"));
    let lines = trace(&program, &["-M", "4", &start, &end]);
    let messages: Vec<&str> = lines[1..].iter().map(|line| line[49..].trim_end()).collect();
    assert_eq!(messages, ["0", "1", "1", "2"]);
}

#[test]
fn without_a_format_all_arguments_are_printed() {
    let Some((_folder, program)) = target("without_a_format_all_arguments_are_printed") else { return };
    let lines = trace(&program, &["-t", "bench:tick"]);
    assert_eq!(lines[0], "TIME     PID     TID     COMM            FUNC             -");
    let words: Vec<&str> = lines[2].split_whitespace().collect();
    let [time, _, _, comm, func, arg0, arg1, arg2] = words.as_slice() else { panic!("{words:?}") };
    assert!(time.parse::<f64>().is_ok() && time.len() >= 8, "{time}");
    assert_eq!((*comm, *func, *arg0, *arg1), ("loop", "tick", "arg0=1", "arg1=-1"));
    assert!(arg2.starts_with("arg2=0x"), "{arg2}");
    assert_eq!(lines.len(), 6);
}

#[test]
fn mistakes_exit_with_1() {
    let traced = run(&["trace", "tick"]);
    assert_eq!(traced.status.code(), Some(1));
    assert!(traced.stderr.contains("expected PROVIDER:NAME"), "{}", traced.stderr);
}
