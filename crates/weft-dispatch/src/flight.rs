//! One call between its admission and its End: whatever happens, it is counted once and its place given on.

use std::sync::Arc;

use weft_types::{Class, Clock, Code, End, Fault, Tenant, Timestamp, Usage, code};

use crate::{gate::Permit, guard::Passing, stage::Stage};

pub(crate) struct Flight {
    stage: Arc<Stage>,
    clock: Arc<dyn Clock>,
    began: Timestamp,
    /// Unknown until the Head: a flight dropped before that was cancelled by its caller.
    judged: Option<(Class, Option<Code>)>,
    usage: Usage,
    tenant: Tenant,
    permit: Permit,
    /// Of a component with a breaker.
    passing: Option<Passing>,
}

impl Flight {
    pub(crate) fn begin(
        stage: &Arc<Stage>,
        clock: &Arc<dyn Clock>,
        began: Timestamp,
        tenant: Tenant,
        permit: Permit,
        passing: Option<Passing>,
    ) -> Self {
        stage.meter.began();
        Self {
            stage: Arc::clone(stage),
            clock: Arc::clone(clock),
            began,
            judged: None,
            usage: Usage::default(),
            tenant,
            permit,
            passing,
        }
    }

    /// The Head is decided; `end` may be as well.
    pub(crate) fn head(&mut self, class: Class, fault: Option<&Fault>, end: &End) {
        self.judged = Some((class, fault.map(|fault| fault.code)));
        if matches!(end, End::Later(_)) && self.stage.gate.adapts() {
            self.permit.streams(self.clock.now(), says_how_long(class, fault.map(|fault| fault.code)));
        }
        self.passing.iter_mut().for_each(|passing| passing.head(class));
    }

    /// The last byte has left, or never will.
    pub(crate) fn end(mut self, fault: Option<Fault>, usage: Usage) {
        self.usage = usage;
        if let Some(fault) = fault {
            tracing::debug!(
                application = %self.stage.target.application, component = %self.stage.target.component,
                code = %fault.code, detail = %fault, "the response broke off"
            );
            let class = if fault.code == code::CLIENT_GONE { Class::CallerFault } else { Class::Failure };
            self.judged = Some((class, Some(fault.code)));
            let said = (fault.code != code::CLIENT_GONE).then_some(class);
            self.passing.iter_mut().for_each(|passing| passing.end(said));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let (class, code) = self.judged.unwrap_or((Class::CallerFault, Some(code::CLIENT_GONE)));
        let now = self.clock.now();
        let took = now.since(self.began);
        if says_how_long(class, code) {
            self.permit.answered(now, Some(self.usage.cpu));
        }
        if let Some(objectives) = &self.stage.objectives {
            objectives.record(now, class, took);
        }
        self.stage.meter.ended(class, code, took, &self.usage, &self.tenant);
    }
}

/// Whether it took as long as such calls take. What fails may fail at once, and who left waited for nothing.
fn says_how_long(class: Class, code: Option<Code>) -> bool {
    class == Class::Ok || code == Some(code::DEADLINE_EXCEEDED)
}
