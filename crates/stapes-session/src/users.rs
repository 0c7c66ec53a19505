//! Names of users from `/etc/passwd` (passwd(5)).
//!
//! Read by hand: a static binary cannot load the modules by which libc would ask other sources.

use std::collections::HashMap;
use std::fs;

/// The users of this system, read when the first one is asked for.
#[derive(Debug, Default)]
pub struct Users {
    names: Option<HashMap<u32, String>>,
}

impl Users {
    /// The name of a user, or the number where there is none.
    pub fn name(&mut self, uid: u32) -> String {
        let names = self.names.get_or_insert_with(|| {
            let text = fs::read("/etc/passwd").unwrap_or_default();
            parse(&String::from_utf8_lossy(&text))
        });
        names.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}

/// `name:password:uid:…` a line; the first name of a uid counts.
fn parse(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(Ok(uid))) =
            (fields.next(), fields.next(), fields.next().map(str::parse))
        {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_counts() {
        let names = parse("root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/:/bin/sh\n\n+::\nbad:x:y:\n");
        assert_eq!(names, HashMap::from([(0, "root".to_owned())]));
        assert_eq!(Users { names: Some(names) }.name(4711), "4711");
    }
}
