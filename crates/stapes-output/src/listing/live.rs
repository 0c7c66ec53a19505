//! What running processes say about sites, for people.

use stapes_binary::{LoadBias, Site};
use stapes_session::discovery::Found;
use stapes_session::discovery::facts::{Facts, SiteFacts};
use stapes_session::process::live::{LiveCode, LiveObject, LiveSite};

/// A file in the processes that map it.
pub struct LiveFile {
    objects: Vec<(Owner, LiveObject)>,
}

/// A process, as lines about it begin.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Its id.
    pub pid: u32,
    /// Its id in its own pid namespace.
    pub inner_pid: u32,
    /// Its name.
    pub name: String,
    /// Whether the file has been deleted or replaced since the process mapped it.
    pub deleted: bool,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({}", self.pid, super::plain(&self.name))?;
        if self.inner_pid != self.pid {
            write!(f, ", {} in its pid namespace", self.inner_pid)?;
        }
        if self.deleted {
            f.write_str(", file deleted")?;
        }
        f.write_str(")")
    }
}

impl LiveFile {
    /// Finds the file in every process that was found to map it.
    pub fn read(found: &Found) -> LiveFile {
        let object = |i: &stapes_session::discovery::Instance| {
            let owner = Owner {
                pid: i.process.pid,
                inner_pid: i.process.inner_pid,
                name: i.process.name.clone(),
                deleted: i.mapped.deleted,
            };
            (owner, LiveObject::new(&i.process, &i.mapped, &found.facts.segments))
        };
        LiveFile { objects: found.instances.iter().map(object).collect() }
    }

    /// What each process says about a site, once for each time that it has the file loaded.
    pub fn sites<'a>(
        &'a self,
        facts: &'a Facts,
        site: &'a Site,
        details: Option<&'a SiteFacts>,
    ) -> impl Iterator<Item = (&'a Owner, LiveSite)> {
        let code = details.map_or(&[][..], |d| &d.code);
        let places = self
            .objects
            .iter()
            .flat_map(|(owner, object)| object.biases.iter().map(move |b| (owner, object, *b)));
        places.map(move |(owner, object, bias): (_, _, LoadBias)| {
            (owner, object.site(bias, facts.arch, site, code))
        })
    }
}

/// A site in a process in words: `at 0x7f12…, armed (breakpoint), semaphore 1`.
pub fn words(live: &LiveSite) -> String {
    let mut text = format!("at {:#x}", live.address);
    text += match live.code {
        None => "",
        Some(LiveCode::Original) => ", not armed",
        Some(LiveCode::Breakpoint) => ", armed (breakpoint)",
        Some(LiveCode::Call) => ", armed (call)",
        Some(LiveCode::Other) => ", changed",
    };
    if let Some(value) = live.semaphore {
        text += &format!(", semaphore is {value}");
    }
    text
}
