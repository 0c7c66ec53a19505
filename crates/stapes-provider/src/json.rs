//! Probes whose one argument is any value as JSON text.

use serde::Serialize;

use crate::{Error, Provider, TypedProbe};

/// A probe that fires a value as one string of JSON, which is made only while the probe is traced.
#[derive(Clone, Debug)]
pub struct JsonProbe(TypedProbe<(&'static str,)>);

impl Provider {
    /// Adds a probe whose one argument is JSON.
    pub fn json_probe(&self, name: &str) -> Result<JsonProbe, Error> {
        Ok(JsonProbe(self.probe(name)?))
    }
}

impl JsonProbe {
    /// Whether a tracer is attached to it.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        self.0.enabled()
    }

    /// Fires the value, if the probe is traced. What cannot be JSON (a map whose keys are no strings) is an error then.
    #[inline(always)]
    pub fn fire<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), serde_json::Error> {
        if self.0.enabled() {
            self.0.fire((&serde_json::to_string(value)?,));
        }
        Ok(())
    }
}
