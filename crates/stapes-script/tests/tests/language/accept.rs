//! The kernel's verifier takes what the compiler makes, of every construct of the language.

use stapes_kernel::{LoadOptions, Loaded, Method};

use super::world::{World, text};
use crate::emit::kernel;

/// One script for each construct, and some for how they go together.
const SCRIPTS: &[&str] = &[
    "BEGIN { }",
    "END { printf(\"done\\n\"); }",
    "interval:s:1 { print(@); } BEGIN { @ = 1; }",
    // Aggregations.
    "usdt:/app:p:tick { @ = count(); }",
    "usdt:/app:p:tick { @ = sum(arg0); @a = avg(arg0); @b = min(arg0); @c = max(arg1); @d = stats(arg1); }",
    "usdt:/app:p:tick { @ = hist(arg0); @l = lhist(arg0, 0, 100, 10); @m = lhist(arg1, -50, 50, 7); }",
    "usdt:/app:p:tick { @ = hist(arg0, 3); }",
    "usdt:/app:p:tick { @[pid] = count(); @s[tid, comm] = sum(arg0); @h[cpu] = hist(arg0); }",
    "usdt:/app:p:tick { @[pid, comm, arg0] = min(arg0); @x[comm] = max(arg0); @a[comm] = avg(arg0); }",
    "usdt:/app:p:tick { @[pid] = lhist(arg0, 0, 1000, 1); @s[pid] = stats(arg1); }",
    // Maps.
    "usdt:/app:p:tick { @++; @--; ++@; --@; @ += 5; @ -= 2; @ *= 3; @ /= 2; @ %= 7; @ <<= 1; @ >>= 1; @ |= 8; @ &= 15; @ ^= 1; }",
    "usdt:/app:p:tick { @[pid]++; @[pid] += arg0; @[pid] *= 2; $x = @[pid]++; printf(\"%d\", $x); }",
    "usdt:/app:p:tick { @start[tid] = nsecs; } usdt:/app:p:text /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }",
    "usdt:/app:p:tick { @s = comm; @t[pid] = comm; @u = @t[1]; printf(\"%s %s\", @s, @t[pid]); }",
    "usdt:/app:p:tick { @t = (pid, comm); @k[(1, 2)] = 3; @k[arg0, arg1] = 4; print(@t); print((1, \"a\", comm)); }",
    "usdt:/app:p:tick { @a[1] = 1; if (has_key(@a, 2)) { delete(@a, 1); } print(len(@a)); delete(@b); @b = 5; }",
    "usdt:/app:p:tick { @c = count(); @a = avg(1); @m = min(1); if (@c > 5 && @a < 3) { print(@m); } }",
    "usdt:/app:p:tick { @c[pid] = count(); if (@c[pid] > 5) { clear(@c); zero(@c); print(@c); print(@c, 5, 2); } }",
    // Strings.
    "usdt:/app:p:text { printf(\"%s\\n\", str(arg0)); }",
    "usdt:/app:p:text { printf(\"%s %d %s\\n\", str(arg0, arg1), arg1, str(arg0, 5)); }",
    "usdt:/app:p:text { @[str(arg0)] = count(); @n[str(arg0, arg1), pid] = sum(arg1); }",
    "usdt:/app:p:text /str(arg0) == \"hello\"/ { $s = str(arg0); $t = $s; printf(\"%s%s\", $s, $t); }",
    "usdt:/app:p:text { if (str(arg0) != comm) { printf(\"%d\", strncmp(str(arg0), \"hell\", 4)); } }",
    "usdt:/app:p:text { $s = \"a\"; $s = str(arg0); @s = $s; printf(\"%s %s\", @s, comm == \"x\" ? \"yes\" : \"no\"); }",
    "usdt:/app:p:text { print(len(str(arg0))); print(str(arg0)); @[comm] = 1; print(comm); }",
    "usdt:/app:p:text { printf(\"%r %rx\", buf(arg0, 16), buf(arg0, arg1)); @b = buf(arg0, 8); printf(\"%rh\", @b); }",
    "usdt:/app:p:text { join(arg0); join(arg0, \",\"); }",
    "usdt:/app:p:text { printf(\"%s %s %s %s\", str(arg0), \"lit\", comm, str(arg0)); }",
    // Builtins.
    "usdt:/app:p:tick { printf(\"%d %d %d %d %llu %d %s %s\", pid, tid, uid, gid, nsecs, cpu, comm, probe); }",
    "usdt:/app:p:tick { printf(\"%s %d %u %lu %d %s\", func, rand, ncpus, cgroup, elapsed, username); }",
    "usdt:/app:p:tick { print(nsecs(monotonic)); print(nsecs(tai)); print(reg(\"ip\")); print(probetype); }",
    "usdt:/app:p:tick { time(\"%H:%M\\n\"); printf(\"%s\", strftime(\"%H\", nsecs)); exit(3); printf(\"never\"); }",
    "usdt:/app:p:tick { @[ustack] = count(); @p[ustack(perf, 5)] = count(); }",
    "usdt:/app:p:tick { @u[ustack(3), comm] = count(); @k[kstack] = count(); print(kstack(raw)); print(ustack(2)); print(len(ustack)); }",
    "usdt:/app:p:tick { printf(\"%s %s %s\", ksym(arg1), usym(arg1), usym(reg(\"ip\"))); @[usym(arg1)] = count(); }",
    "uprobe:/app:main { printf(\"%d %d %d %d\", arg0, arg5, arg6, arg9); }",
    "uretprobe:/app:main { printf(\"%d %s\", retval, func); @[func, probe] = count(); }",
    "uprobe:/app:* { @[func] = count(); @p[probe] = count(); if (func == \"main\") { printf(\"main\"); } }",
    // Sites that differ.
    "usdt:/app:p:split { printf(\"%d %p\", arg0, arg1); @ = hist(arg0); }",
    "usdt:/app:p:split /arg0 > 3/ { printf(\"%s %d %s\", func, arg1, probe); }",
    "usdt:/app:p:many { printf(\"%d %d %d %d %d %d\", arg0, arg1, arg2, arg3, arg4, arg5); }",
    "usdt:/app:p:*, uprobe:/app:main, BEGIN, interval:ms:10 { @[probe] = count(); }",
    "usdt:/app:p:tick, usdt:/app:p:text, uprobe:/app:main { @[probe] = sum(arg0); }",
    // Control and operators.
    "usdt:/app:p:tick { $x = arg0; if ($x > 1) { $y = $x; printf(\"%d\", $y); } else if ($x == 1) { $x++; } else { return; } printf(\"%d\", $x); }",
    "usdt:/app:p:tick { unroll(5) { @++; } for ($i : 0..20) { @k[$i] = count(); if ($i == 7) { break; } if ($i == 3) { continue; } @++; } }",
    "usdt:/app:p:tick /arg0 && (arg1 || pid == 1) && !(uid == 0)/ { printf(\"%d\", arg0 ? arg1 : -1); }",
    "usdt:/app:p:tick { @ = (arg0 + 1) * 2 - arg1 / 3 % 5 & 7 | 8 ^ ~arg0 << 2 >> 1; @b = -arg0 / 3; @c = (uint8)arg0; @d = (int16)arg1; }",
    "usdt:/app:p:tick { @ = arg0 < arg1; @b = (arg0 == 1) + (arg1 != 2); @c = !arg0; @d = arg0 >= 0 ? 1 : 0; }",
    "usdt:/app:p:tick { printf(\"%d\", *(uint32 *)arg1); @ = *(int8 *)(arg1 + 4); $p = (void *)arg1 + 8; printf(\"%p\", $p); }",
    "usdt:/app:p:tick { let $x; let $y: uint64 = 5; $x = arg0; { let $x = 1; @ = $x; } @b = $x + $y; $x += 1; $x -= 2; $x *= 3; @c = $x++ + ++$x; }",
    "usdt:/app:p:tick { pid == 1 ? printf(\"a\") : printf(\"b\"); cat(\"/proc/%d/comm\", pid); }",
];

#[test]
fn the_verifier_accepts_every_construct() {
    if !kernel::available("the_verifier_accepts_every_construct") {
        return;
    }
    refused(&World::new(), &LoadOptions::default());
}

/// As for a kernel without uprobe_multi, version 4 of the instructions and kernel functions; with other sizes of strings.
#[test]
fn and_as_for_an_older_kernel() {
    if !kernel::available("and_as_for_an_older_kernel") {
        return;
    }
    let mut world = World::new();
    world.target.uprobe_multi = false;
    world.target.copy_from_user_str = false;
    world.target.bpf_v4 = false;
    world.options.max_strlen = 1024;
    refused(&world, &LoadOptions { method: Method::PerfEvent, ..LoadOptions::default() });
}

/// Loads every script.
fn refused(world: &World, options: &LoadOptions) {
    let mut failures = Vec::new();
    for source in SCRIPTS {
        let object = match world.compile(source) {
            Ok((object, _)) => object,
            Err(errors) if !world.target.bpf_v4 && errors.iter().all(|e| e.slug == "kernel-too-old") => {
                continue;
            }
            Err(errors) => {
                failures.push(format!("{source}\n{}", text(source, &errors)));
                continue;
            }
        };
        if let Err(error) = Loaded::load(object, options) {
            let log = error.log.clone().unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(25)..].join("\n");
            failures.push(format!("{source}\n{error}\n{tail}"));
        }
    }
    assert!(failures.is_empty(), "{} of {}\n{}", failures.len(), SCRIPTS.len(), failures.join("\n\n"));
}
