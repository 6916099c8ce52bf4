//! Whether a trace is recorded: its caller decides, and where it begins here, its id.

use weft_telemetry::trace::SpanSink;
use weft_types::Trace;

/// The same answer for every span of a trace, wherever it is asked.
pub(crate) fn wants(sink: &SpanSink, trace: &Trace) -> bool {
    let begins_here = trace.parent.is_none();
    let chosen = |trace: &Trace| sink.root_flags(trace.trace) & Trace::SAMPLED != 0;
    sink.wants(trace) && (!begins_here || chosen(trace))
}
