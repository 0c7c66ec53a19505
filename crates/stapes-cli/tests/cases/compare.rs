//! The same scripts under bpftrace and under stapes, on the same program: what they print must be the same.
//!
//! Left out is what the page on the language lists as different, and what the versions of bpftrace do not agree on:
//! the layout of statistics, blank lines, the order of equal values, and (0.17) whether arguments of probes are signed. Many cases share a run, as bpftrace starts
//! slowly; a line tells its case by what stands in front.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::*;

/// Formats, operators, maps and histograms, which need no target.
const ALONE: &str = r#"
BEGIN {
    printf("formats %5d|%-5d|%05d|%x|%X|%o|%c|%%|%10s|%-10s|\n", 42, 42, 42, 255, 255, 8, 65, "abc", "abc");
    printf("long %ld %lu %lx %lld %llu %llx\n", -1, 7, -1, -1, 7, -1);
    printf("pointer %p %p\n", 0xdead, 1);
    $a = 13; $b = 5;
    printf("arithmetic %d %d %d %d %d\n", $a + $b, $a - $b, $b - $a, $a * $b, -$a);
    printf("quotients %d %d\n", $a / $b, $a % $b);
    printf("bits %d %d %d %d %d\n", $a & $b, $a | $b, $a ^ $b, $a << $b, $a >> 2);
    printf("order %d %d %d\n", 1 + 2 * 3 - 4 / 2 % 3, 1 | 2 ^ 3 & 4, 1 << 2 + 1);
    printf("compare %d %d %d %d %d %d\n", $a < $b, $a <= $b, $a > $b, $a >= $b, $a == $b, $a != $b);
    printf("logic %d %d %d %d\n", $a && 0, $a || 0, !$a, !0);
    printf("casts %d %d %d\n", (int8)200, (uint8)300, (int16)65535);
    printf("ternary %s %d\n", $a > 5 ? "big" : "small", $b > 5 ? 1 : 2);
    $s = 10; $s += 5; $s -= 3; $s *= 4; $s /= 6; $s %= 5; $s <<= 4; $s >>= 1; $s |= 3; $s &= 25; $s ^= 1;
    printf("compound %d\n", $s);
    $n = 5; $n++; $n--; $n++;
    printf("steps %d\n", $n);
    if ($a == 13) { printf("if yes\n"); } else { printf("if no\n"); }
    if ("abc" == "abc") { printf("text equal\n"); }
    if ("abc" != "abd") { printf("text unequal\n"); }
    printf("strncmp %d\n", strncmp("abcdef", "abcxyz", 3));
    unroll (3) { @unrolled++; }
    printf("parameters %d %s\n", $1, str($2));
    @value = -5; @text = "hello"; @tuple = (1, "two", 3);
    @key[1] = 10; @key[2] = 20; @pair[1, "a"] = 3;
    @ordered["c"] = 3; @ordered["a"] = 1; @ordered["b"] = 2;
    @step++; @step++; ++@step;
    @count = count(); @count = count();
    @sum = sum(5); @sum = sum(-7); @min = min(4); @min = min(-2); @max = max(4); @max = max(9); @avg = avg(4); @avg = avg(9);
    @top[1] = sum(10); @top[2] = sum(30); @top[3] = sum(20);
    print(@top, 2); print(@top, 2, 10); clear(@top);
    @gone[1] = 1; @gone[2] = 2; delete(@gone[1]);
    @zeroed[1] = count(); zero(@zeroed);
    @hist = hist(-1); @hist = hist(0); @hist = hist(1); @hist = hist(3); @hist = hist(1000); @hist = hist(1024); @hist = hist(1025);
    @half = hist(4194304); @half = hist(4194303); @half = hist(4194305);
    @by_key[1] = hist(5); @by_key[2] = hist(6); @by_key[2] = hist(7);
    @linear = lhist(-5, 0, 100, 10); @linear = lhist(0, 0, 100, 10); @linear = lhist(99, 0, 100, 10); @linear = lhist(100, 0, 100, 10);
    @kilo = lhist(2048, 0, 8192, 1024); @kilo = lhist(5000, 0, 8192, 1024);
    exit();
}
END { printf("end\n"); clear(@text); }
"#;

/// Probes, arguments, strings, predicates and functions of the target of the script suite.
const TRACING: &str = r#"
BEGIN { printf("begin\n"); }
usdt:TARGET:suite:round { printf("round %d\n", arg0); @rounds = count(); @last = arg0; @hist[arg0 % 2] = hist(arg0 * 100); @linear = lhist(arg0 * 10, 0, 50, 10); }
usdt:TARGET:suite:round /arg0 % 2 == 1/ { printf("odd %d\n", arg0); }
usdt:TARGET:suite:round /@seen[arg0 % 2]/ { @again++; }
usdt:TARGET:suite:round { @seen[arg0 % 2] = 1; @order = arg0; }
usdt:TARGET:suite:round /@order == arg0/ { @in_order++; }
usdt:TARGET:suite:integers {
    printf("integers %d %d %d %d %d %u\n", arg0, arg1, arg2, arg3, arg4, arg5);
    printf("hexadecimal %x %x %x %x %x %x\n", arg0, arg1, arg2, arg3, arg4, arg5);
    @sum = sum(arg1); @min = min(arg4); @max = max(arg1); @avg = avg(arg4);
    @keys[arg0, arg1] = arg3; @signs = hist(arg0); @signs = hist(arg1);
}
usdt:TARGET:suite:strings {
    printf("strings %s|%s|%s|%d\n", str(arg0), str(arg0, 6), str(arg3), arg1);
    printf("bytes %r\n", buf(arg2, 4));
    printf("memory %d %c\n", *(uint8*)arg0, *(uint8*)(arg0 + 1));
    if (str(arg0) == "hello world") { printf("equal\n"); }
    if (strncmp(str(arg0), "hello!", 5) == 0) { printf("prefix\n"); }
    @by_text[str(arg0)] = count(); @text = str(arg0); @nothing = str(arg4);
}
usdt:TARGET:suite:guarded { @guarded = count(); }
usdt:TARGET:suite:places { @places = count(); }
uprobe:TARGET:add { @start[tid] = arg1; printf("add %d %d\n", arg0, arg1); }
uretprobe:TARGET:add /@start[tid]/ { printf("sum %d %d\n", retval, @start[tid]); delete(@start[tid]); }
uprobe:TARGET:move_point { printf("point %d %s\n", *(int32*)arg0, str(*(uint64*)(arg0 + 8))); }
uprobe:TARGET:fire_* { @functions = count(); }
uprobe:TARGET:add { printf("register %d %s\n", reg("di"), probe); }
END { printf("end %d\n", @last); clear(@seen); }
"#;

#[test]
fn what_needs_no_target_is_as_bpftrace_prints_it() {
    let test = "what_needs_no_target_is_as_bpftrace_prints_it";
    if !root(test) || !have(test, &["bpftrace"]) {
        return;
    }
    same_in_both(test, ALONE, &["12", "two words"], None);
}

#[test]
fn what_is_traced_is_as_bpftrace_prints_it() {
    let test = "what_is_traced_is_as_bpftrace_prints_it";
    if !root(test) || !have(test, &["bpftrace"]) || !can_compile(test) {
        return;
    }
    let folder = folder();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/script/target.c");
    let target = compile(folder.path(), "target", &fs::read_to_string(source).unwrap(), &[]);
    let script = TRACING.replace("TARGET", target.to_str().unwrap());
    same_in_both(test, &script, &[], Some(&format!("{} 4", target.display())));
}

fn same_in_both(test: &str, script: &str, parameters: &[&str], command: Option<&str>) {
    let mut arguments = vec!["-e", script];
    arguments.extend(command.iter().flat_map(|command| ["-c", command]));
    arguments.extend(parameters);
    let limited = "ulimit -l unlimited 2>/dev/null; exec bpftrace \"$@\"";
    let peer = Command::new("sh").args(["-c", limited, "sh"]).args(&arguments).output().unwrap();
    if !peer.status.success() {
        return skip(test, &format!("bpftrace: {}", String::from_utf8_lossy(&peer.stderr).trim()));
    }
    let ours = stapes_ok(&arguments);
    let (ours, theirs) = (comparable(&ours), comparable(&String::from_utf8_lossy(&peer.stdout)));
    assert!(ours.len() > 40, "{ours:#?}");
    let differing: Vec<_> = ours.iter().zip(&theirs).filter(|(a, b)| a != b).collect();
    assert!(differing.is_empty() && ours.len() == theirs.len(), "(stapes, bpftrace): {differing:#?}");
}

/// The lines without what the versions of bpftrace lay out differently.
fn comparable(output: &str) -> Vec<String> {
    let lines = output.lines().map(str::trim_end);
    lines.filter(|line| !line.is_empty() && !line.starts_with("Attach")).map(str::to_owned).collect()
}
