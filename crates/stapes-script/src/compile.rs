//! The pipeline from a parsed script to an object.

use stapes_bpf::Object;

use crate::ast::Script;
use crate::catalog::{Catalog, Options, Target};
use crate::diagnostics::{Diagnostic, Severity};
use crate::emit::emit_module;
use crate::ir::Module;

/// Checks a script and lowers it to IR.
///
/// # Errors
/// All diagnostics, warnings among them, if at least one is an error.
pub fn lower(
    script: &Script,
    catalog: &Catalog,
    target: &Target,
    options: &Options,
) -> Result<(Module, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (tree, mut diagnostics) = crate::check::check(script, target, options);
    if has_error(&diagnostics) {
        return Err(diagnostics);
    }
    let (module, complaints) = crate::lower::lower(&tree, script, catalog, target, options);
    diagnostics.extend(complaints);
    if has_error(&diagnostics) { Err(diagnostics) } else { Ok((module, diagnostics)) }
}

/// Compiles a script: the object, and the warnings.
///
/// # Errors
/// All diagnostics, warnings among them, if at least one is an error.
pub fn compile(
    script: &Script,
    catalog: &Catalog,
    target: &Target,
    options: &Options,
) -> Result<(Object, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (module, warnings) = lower(script, catalog, target, options)?;
    match emit_module(module, target) {
        Ok(object) => Ok((object, warnings)),
        Err(errors) => Err(warnings.into_iter().chain(errors).collect()),
    }
}

fn has_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}
