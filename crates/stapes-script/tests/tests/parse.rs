//! Scripts to trees and complaints.

use stapes_script::ast::*;
use stapes_script::parse;

#[test]
fn everyday_scripts_parse() {
    let source = r#"#!/usr/bin/env stapes
BEGIN { printf("tracing... %d\n", 1); }
usdt:/usr/*/libjvm.so:hotspot:method__entry, U:"./a b":"p":n* // comment
/pid == $1 && comm != "x" / 
{
    @start[tid] = nsecs; @[str(arg1, arg2)] = count();
    if (arg0 > 1) { @x++ } else if (arg0 < 0) { delete(@x[1]) } else { clear(@x); }
    $p = (struct foo *)arg0; $y = (uint64)-1 * $p->a.b;
    for ($i : 0..10) { print($i) } for $kv : @start { print($kv.0) }
    $z = arg0 ? 1 : 2; unroll (3) { @u += 1 }
}
uretprobe:/bin/x:main+0 /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start, tid) }
interval:s:1 { exit() }
END{clear(@)}
"#;
    let (script, complaints) = parse(source);
    assert_eq!(complaints, [], "{script:#?}");
    assert_eq!(script.blocks.len(), 5);
    assert!(matches!(script.blocks[3].points[0].kind, AttachKind::Interval(1_000_000_000)));
}
