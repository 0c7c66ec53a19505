//! The IR's text and verifier: what they refuse, and where.

use stapes_script::ir::Function;
use stapes_script::ir::verify::verify;

/// A function with these lines, each instruction in block 0 until a label says otherwise.
fn function(lines: &str) -> String {
    format!("function f uprobe registers 4\n  slot s0 16\nb0:\n{lines}")
}

fn parse_error(text: &str) -> String {
    text.parse::<Function>().map(|f| f.to_string()).unwrap_err().to_string()
}

fn verify_error(lines: &str) -> String {
    let parsed: Function = function(lines).parse().unwrap();
    verify(&parsed).map_or_else(|e| e.to_string(), |()| "ok".to_owned())
}

#[test]
fn every_instruction_has_a_text_that_parses_back() {
    let text = "\
function all uprobe sleepable registers 9
  slot s0 16
  slot s1 8
b0:
  v0 = load i32 [context + 104]                    # 3..7
  v1 = -9223372036854775808
  v2 = sdiv v0, v1
  v2 = sshr v2, 3
  v3 = sle v2, -1
  v4 = extend i16 v3
  v4 = swap u32 v4
  v5 = bound v4, 15
  v6 = load u8 [s0 + 0 + v5]
  store u64 [s0 + 8], v6
  bytes [s1 + 1], \"a\\\"\\\\\\n\\x00\\xff\"
  copy [s0 + 0], [s1 + 0], 8
  zero [s0 + 8], 8
  v7 = address [s0 - 0]
  v7 = map_value 3, 16
  atomic_add u32 [v7 - 4], 1
  v8 = compare_exchange [v7 + 8], v6, 0
  v8 = call map_lookup_elem(map 2, [s0 + 0])
  call kfunc bpf_copy_from_user_str([s0 + 0], 16, v6, 1)
  call ringbuf_discard(v8, 0)
  if v8 ne 0 then b1 else b2
b1:
  jump b2
b2:
  return v0
"
    .replace("[s0 - 0]", "[s0 + 0]");
    let parsed: Function = text.parse().unwrap();
    assert_eq!(parsed.to_string(), text);
    assert_eq!(verify(&parsed), Ok(()));
}

#[test]
fn damaged_texts_are_refused_with_their_line() {
    assert_eq!(parse_error(""), "line 0: no function");
    assert_eq!(parse_error("b0:\n  return 0"), "line 1: a line before the function");
    assert_eq!(parse_error("function f uprobe registers 0\nb0:"), "line 2: a block without an end");
    assert_eq!(parse_error(&function("  v0 = frob v1")), "line 4: unknown instruction `frob`");
    assert_eq!(parse_error(&function("  v0 = add v1")), "line 4: `,` is due at ``");
    assert_eq!(parse_error(&function("  return 0\n  return 1")), "line 5: an instruction outside of a block");
    assert_eq!(parse_error(&function("  return 0\nb2:")), "line 5: block b2 where it is not due");
    assert_eq!(
        parse_error(&function("  v0 = call kfunc bpf_mystery()")),
        "line 4: `bpf_mystery` is no kernel function that scripts use"
    );
    for damaged in
        ["bytes [s0 + 0], \"", "bytes [s0 + 0], \"\\x", "v", "v0 =", "call", "if v0", "é", "store u64 ["]
    {
        parse_error(&function(damaged));
    }
}

#[test]
fn broken_rules_are_found() {
    assert_eq!(verify_error("  return 0"), "ok");
    assert_eq!(verify_error("  return v0"), "b0 at 0: v0 is read and not assigned on every way");
    assert_eq!(verify_error("  v9 = 1\n  return 0"), "b0 at 0: v9 does not exist");
    assert_eq!(verify_error("  jump b7"), "b0 at 0: b7 does not exist");
    assert_eq!(verify_error("  store u64 [s0 + 12], 1\n  return 0"), "b0 at 0: [s0 + 12] is outside of s0");
    assert_eq!(verify_error("  zero [s0 + 0], 17\n  return 0"), "b0 at 0: [s0 + 0] is outside of s0");
    assert_eq!(verify_error("  zero [s3 + 0], 8\n  return 0"), "b0 at 0: s3 does not exist");
    assert_eq!(
        verify_error("  store u64 [context + 0], 1\n  return 0"),
        "b0 at 0: the context cannot be written"
    );
    assert_eq!(
        verify_error("  call loop(1, 2, 3, 4, 5, 6)\n  return 0"),
        "b0 at 0: more than five arguments"
    );
}

#[test]
fn a_register_must_be_assigned_on_every_way() {
    let diamond = "  v0 = 1\n  if v0 eq 1 then b1 else b2\nb1:\n  v1 = 2\n  jump b3\nb2:\n  ASSIGN\n  jump b3\nb3:\n  return v1";
    assert_eq!(verify_error(&diamond.replace("ASSIGN", "v1 = 3")), "ok");
    assert_eq!(
        verify_error(&diamond.replace("ASSIGN", "v2 = 3")),
        "b3 at 0: v1 is read and not assigned on every way"
    );
    // A loop: assigned on the way in is enough, assigned only in the loop's second half is not.
    let turn = "  ASSIGN\n  jump b1\nb1:\n  v0 = add v1, 1\n  v1 = v0\n  if v0 lt 9 then b1 else b2\nb2:\n  return v1";
    assert_eq!(verify_error(&turn.replace("ASSIGN", "v1 = 0")), "ok");
    assert_eq!(
        verify_error(&turn.replace("ASSIGN", "v2 = 0")),
        "b1 at 0: v1 is read and not assigned on every way"
    );
}
