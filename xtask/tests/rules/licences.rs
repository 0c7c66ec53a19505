//! Every dependency has a licence that `deny.toml` allows: the part of cargo-deny's work that must never be left out.

use std::path::Path;
use std::process::Command;

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let deny = std::fs::read_to_string(root.join("deny.toml")).unwrap();
    let list = deny.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let allowed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains(&"MIT"), "deny.toml was not understood: {allowed:?}");

    let metadata = Command::new(env!("CARGO"))
        .current_dir(root)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-musl",
        ])
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 10);
    let refused: Vec<_> = packages
        .iter()
        .map(|p| (p["name"].as_str().unwrap_or(""), p["license"].as_str().unwrap_or("none")))
        .filter(|(_, licence)| !accepts(licence, &allowed))
        .collect();
    assert!(refused.is_empty(), "licences that deny.toml does not allow: {refused:?}");
}

/// Whether an SPDX expression without nested parentheses can be met: some alternative has all its parts allowed.
fn accepts(expression: &str, allowed: &[&str]) -> bool {
    if let (Some(open), Some(close)) = (expression.find('('), expression.find(')')) {
        let (before, inner, after) =
            (&expression[..open], &expression[open + 1..close], &expression[close + 1..]);
        let stand_in = if accepts(inner, allowed) { allowed[0] } else { "refused" };
        return accepts(&format!("{before}{stand_in}{after}"), allowed);
    }
    expression
        .replace('/', " OR ")
        .split(" OR ")
        .any(|alternative| alternative.split(" AND ").all(|part| allowed.contains(&part.trim())))
}

#[test]
fn an_expression_is_met_by_one_alternative_whose_parts_are_all_allowed() {
    let allowed = ["MIT", "Unicode-3.0"];
    assert!(accepts("MIT OR Apache-2.0", &allowed));
    assert!(accepts("MIT/Apache-2.0", &allowed));
    assert!(accepts("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed));
    assert!(!accepts("(MIT OR Apache-2.0) AND GPL-3.0", &allowed));
    assert!(!accepts("GPL-2.0-only", &allowed));
}
