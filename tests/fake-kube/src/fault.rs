//! What goes wrong, ordered by the test: at which requests, when, and how.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    request::{Request, Verb},
    resource::Resource,
    status::Status,
};

/// Which requests a fault is for: those that every condition holds for.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    verb: Option<Verb>,
    resource: Option<Resource>,
    name: Option<String>,
    changes: bool,
}

impl Matcher {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Every request that may change something.
    pub fn changes() -> Self {
        Self {
            changes: true,
            ..Self::default()
        }
    }

    /// Only requests with this verb.
    #[must_use]
    pub fn verb(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    /// Only requests for this resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Only requests that name an object like this; `*` stands for any text, so `job-*-r1` names successors.
    /// A POST names what is in its body.
    #[must_use]
    pub fn name(mut self, glob: &str) -> Self {
        self.name = Some(glob.to_owned());
        self
    }

    pub(crate) fn matches(&self, request: &Request) -> bool {
        let name = request.object_name();
        self.verb.is_none_or(|verb| verb == request.verb)
            && self
                .resource
                .is_none_or(|resource| resource == request.key.resource)
            && self.name.as_ref().is_none_or(|glob| is_like(&name, glob))
            && (!self.changes || request.verb.changes())
    }
}

fn is_like(text: &str, glob: &str) -> bool {
    let Some((start, rest)) = glob.split_once('*') else {
        return text == glob;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    let mut ends = (0..=text.len()).filter_map(|place| text.get(place..));
    ends.any(|end| is_like(end, rest))
}

/// At which of the requests that match, counted from 1 when the fault was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// At each.
    All,
    /// At this one only.
    Nth(usize),
    /// At the first so many.
    First(usize),
}

impl Times {
    const fn include(self, number: usize) -> bool {
        match self {
            Self::All => true,
            Self::Nth(nth) => number == nth,
            Self::First(count) => number <= count,
        }
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(crate) effect: Effect,
    pub(crate) committed: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Effect {
    Refuse(Refusal),
    Cut,
    Hold(Gate),
}

impl Fault {
    /// The answer is a refusal; nothing has been done.
    pub const fn refuse(refusal: Refusal) -> Self {
        Self::before_commit(Effect::Refuse(refusal))
    }

    /// The connection is closed without an answer; nothing has been done.
    pub const fn cut() -> Self {
        Self::before_commit(Effect::Cut)
    }

    /// The request waits at a gate before anything is done. Whoever goes away meanwhile does not take it back.
    pub const fn hold(gate: Gate) -> Self {
        Self::before_commit(Effect::Hold(gate))
    }

    const fn before_commit(effect: Effect) -> Self {
        Self {
            effect,
            committed: false,
        }
    }

    /// The same after it has been done, so that the one who asked is misled or kept in the dark about that.
    #[must_use]
    pub fn after_commit(mut self) -> Self {
        self.committed = true;
        self
    }
}

/// How a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 429, with `Retry-After`.
    TooManyRequests {
        /// The seconds to wait.
        retry_after: u32,
    },
    /// 403, as by an access rule that is missing.
    Forbidden,
    /// 403, as by a quota of Jobs.
    ExceededQuota,
    /// 403, as by an admission webhook.
    Denied,
    /// 409, as by a version that is not the newest.
    Conflict,
    /// 410.
    Expired,
    /// 500.
    Internal,
    /// 503.
    Unavailable,
    /// 504.
    Timeout,
}

impl Refusal {
    pub(crate) fn status(self, request: &Request) -> Status {
        let mut key = request.key.clone();
        match self {
            Self::TooManyRequests { retry_after } => Status::too_many_requests(retry_after),
            Self::Forbidden => Status::forbidden(&key, &missing_right(request)),
            Self::ExceededQuota => {
                key.name = request.object_name();
                let quota = "exceeded quota: jobs, requested: count/jobs.batch=1, used: count/jobs.batch=9, limited: count/jobs.batch=9";
                Status::forbidden(&key, quota)
            }
            Self::Denied => Status::denied("policy.example.com"),
            Self::Conflict => {
                key.name = request.object_name();
                Status::stale(&key)
            }
            Self::Expired => Status::expired("too old resource version"),
            Self::Internal => Status::internal("etcdserver: leader changed"),
            Self::Unavailable => Status::unavailable(),
            Self::Timeout => Status::timeout(),
        }
    }
}

fn missing_right(request: &Request) -> String {
    let (key, verb) = (&request.key, request.verb.word());
    let (plural, group, namespace) = (key.resource.plural(), key.resource.group(), &key.namespace);
    format!(
        "User \"healer\" cannot {verb} resource \"{plural}\" in API group \"{group}\" in the namespace \"{namespace}\""
    )
}

/// Where requests wait until the test lets them go on, or turns them away.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<Passage>>);

#[derive(Debug, Default)]
struct Passage {
    arrived: usize,
    decided: Option<Way>,
}

/// What becomes of those who come to a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They go on.
    On,
    /// They go no further.
    Back,
}

impl Gate {
    /// A gate that is shut.
    pub fn shut() -> Self {
        Self(Arc::new(watch::Sender::new(Passage::default())))
    }

    /// Lets all go on that wait, and all that come.
    pub fn open(&self) {
        self.decide(Way::On);
    }

    /// Closes the connection of all that wait, and of all that come: what has not been done by then never will be.
    pub fn turn_away(&self) {
        self.decide(Way::Back);
    }

    fn decide(&self, way: Way) {
        self.0.send_modify(|passage| passage.decided = Some(way));
    }

    /// Waits until so many requests have come.
    pub async fn reached(&self, count: usize) {
        self.until(|passage| passage.arrived >= count).await;
    }

    pub(crate) async fn pass(&self) -> Way {
        self.0.send_modify(|passage| passage.arrived += 1);
        self.until(|passage| passage.decided.is_some()).await;
        self.0.borrow().decided.unwrap_or(Way::On)
    }

    async fn until(&self, condition: impl FnMut(&Passage) -> bool) {
        let mut passage = self.0.subscribe();
        let waited = passage.wait_for(condition).await;
        // It fails only without a sender, which `self` is.
        debug_assert!(waited.is_ok());
    }
}

/// The faults that are ordered.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Order>);

#[derive(Debug)]
struct Order {
    matcher: Matcher,
    times: Times,
    fault: Fault,
    seen: usize,
}

impl Faults {
    pub(crate) fn order(&mut self, matcher: Matcher, times: Times, fault: Fault) {
        self.0.push(Order {
            matcher,
            times,
            fault,
            seen: 0,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this request: of faults for the same one, the first that was ordered. Each has counted it.
    pub(crate) fn strike(&mut self, request: &Request) -> Option<Fault> {
        let mut struck = None;
        for order in self
            .0
            .iter_mut()
            .filter(|order| order.matcher.matches(request))
        {
            order.seen += 1;
            if order.times.include(order.seen) {
                struck = struck.or_else(|| Some(order.fault.clone()));
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (text, glob, expected) in [
            ("job-a-r1", "job-*-r1", true),
            ("job-a-r2", "job-*-r1", false),
            ("job-a", "*", true),
            ("", "*", true),
            ("", "a*", false),
            ("job-a", "job-a", true),
            ("abcabc", "a*c*c", true),
            ("é-x", "*-x", true),
        ] {
            assert_eq!(is_like(text, glob), expected, "{text} like {glob}");
        }
    }
}
