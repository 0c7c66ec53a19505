//! USDT probes for programs that use `tracing`: a layer that fires a probe per span and event.
//!
//! ```
//! use tracing_subscriber::prelude::*;
//!
//! tracing_subscriber::registry().with(stapes_tracing::layer()).init();
//! tracing::info!(user = 7, "logged in"); // fires tracing:event
//! ```
//!
//! | probe | arguments |
//! |---|---|
//! | `tracing:event` | `message`, `fields`, `level`, `target`, `span` |
//! | `tracing:span_new` | `span`, `name`, `fields`, `parent`, `level`, `target` |
//! | `tracing:span_enter`, `tracing:span_exit` | `span`, `name` |
//! | `tracing:span_close` | `span`, `name`, `busy_ns`, `total_ns` |
//!
//! `fields` is `key=value key=value`, without the message; `span` is the span that surrounds an event, 0 where there is none.
//!
//! What is wanted most comes first: older tracers read six values, and a text is two of them.
//!
//! While nobody listens, the layer's filter says so: a span or event then costs the question, and nothing is formatted.
//! Other layers see everything all the same.
//! A span that was made while nobody listened to any of these probes stays unheard.

#![forbid(unsafe_code)]

mod fields;

use std::time::{Duration, Instant};

use tracing_core::span::{Attributes, Id};
use tracing_core::subscriber::{Interest, Subscriber};
use tracing_core::{Event, Metadata};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use fields::Fields;

/// The probes, to be fired or asked about by others as well.
#[stapes::provider(name = "tracing")]
pub mod probes {
    /// An event.
    pub fn event(message: &str, fields: &str, level: &str, target: &str, span: u64);

    /// A span was made.
    pub fn span_new(span: u64, name: &str, fields: &str, parent: u64, level: &str, target: &str);

    /// A span was entered.
    pub fn span_enter(span: u64, name: &str);

    /// A span was left; it may be entered again.
    pub fn span_exit(span: u64, name: &str);

    /// A span has ended: how long it was entered, and how long it existed, in nanoseconds.
    pub fn span_close(span: u64, name: &str, busy_ns: u64, total_ns: u64);
}

/// A layer that fires the probes, with the filter that makes it cost little while nobody listens.
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Probes.with_filter(Listening)
}

/// Whether somebody listens to any of the probes.
fn is_listened_to() -> bool {
    probes::event::enabled()
        || probes::span_new::enabled()
        || probes::span_enter::enabled()
        || probes::span_exit::enabled()
        || probes::span_close::enabled()
}

/// Lets spans and events through while somebody listens.
struct Listening;

impl<S> Filter<S> for Listening {
    fn enabled(&self, _metadata: &Metadata<'_>, _context: &Context<'_, S>) -> bool {
        is_listened_to()
    }

    fn callsite_enabled(&self, _metadata: &'static Metadata<'static>) -> Interest {
        // Listeners come and go: to be asked each time.
        Interest::sometimes()
    }
}

/// What the layer keeps with a span.
struct Times {
    made: Instant,
    entered: Option<Instant>,
    busy: Duration,
}

/// The layer itself.
struct Probes;

impl<S> Layer<S> for Probes
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        span.extensions_mut().insert(Times { made: Instant::now(), entered: None, busy: Duration::ZERO });
        if probes::span_new::enabled() {
            let metadata = attributes.metadata();
            let fields = Fields::of(|visitor| attributes.record(visitor));
            let parent = span.parent().map_or(0, |parent| parent.id().into_u64());
            let level = metadata.level().as_str();
            probes::span_new(id.into_u64(), metadata.name(), &fields.all(), parent, level, metadata.target());
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if probes::event::enabled() {
            let metadata = event.metadata();
            let fields = Fields::of(|visitor| event.record(visitor));
            let span = context.event_span(event).map_or(0, |span| span.id().into_u64());
            probes::event(
                &fields.message,
                &fields.others,
                metadata.level().as_str(),
                metadata.target(),
                span,
            );
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(times) = span.extensions_mut().get_mut::<Times>() {
            times.entered = Some(Instant::now());
        }
        probes::span_enter!(id.into_u64(), span.name());
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(times) = span.extensions_mut().get_mut::<Times>() {
            if let Some(entered) = times.entered.take() {
                times.busy += entered.elapsed();
            }
        }
        probes::span_exit!(id.into_u64(), span.name());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if probes::span_close::enabled() {
            let extensions = span.extensions();
            let Some(times) = extensions.get::<Times>() else { return };
            let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            probes::span_close(
                id.into_u64(),
                span.name(),
                nanoseconds(times.busy),
                nanoseconds(times.made.elapsed()),
            );
        }
    }
}
