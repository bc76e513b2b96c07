//! Refusals, as the API server words them: objects of kind `Status`.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::resource::{Key, Resource};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The code of HTTP.
    pub code: u16,
    /// The word by which programs tell refusals apart; some have none.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// What it is about.
    pub details: Map<String, Value>,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Map::new(),
        }
    }

    fn about(mut self, name: &str, group: &str, kind: &str) -> Self {
        for (field, text) in [("name", name), ("group", group), ("kind", kind)] {
            if !text.is_empty() {
                self.details.insert(field.to_owned(), json!(text));
            }
        }
        self
    }

    fn of(self, key: &Key) -> Self {
        self.about(&key.name, key.resource.group(), key.resource.plural())
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.details
            .insert("retryAfterSeconds".to_owned(), json!(seconds));
        self
    }

    /// How long one is asked to wait, in seconds.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.details.get("retryAfterSeconds")?.as_u64()
    }

    /// The object that is sent.
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            value["reason"] = json!(self.reason);
        }
        if !self.details.is_empty() {
            value["details"] = Value::Object(self.details.clone());
        }
        value
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unknown_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(404, "NotFound", message)
    }

    pub(crate) fn not_found(key: &Key) -> Self {
        let message = format!("{} \"{}\" not found", key.resource.qualified(), key.name);
        Self::new(404, "NotFound", message).of(key)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    }

    pub(crate) fn already_exists(key: &Key, terminating: bool) -> Self {
        let being = if terminating {
            "object is being deleted: "
        } else {
            ""
        };
        let resource = key.resource.qualified();
        let message = format!("{being}{resource} \"{}\" already exists", key.name);
        Self::new(409, "AlreadyExists", message).of(key)
    }

    /// A version that is not the newest.
    pub(crate) fn stale(key: &Key) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(key, &key.resource.qualified(), why).of(key)
    }

    /// A condition of a DELETE that does not hold; what it is about is named by kind and not by resource.
    pub(crate) fn precondition(key: &Key, why: &str) -> Self {
        let resource = key.resource;
        Self::conflict(key, &resource.qualified_kind(), why).about(
            &key.name,
            resource.group(),
            resource.kind(),
        )
    }

    /// A whole object that claims to be another than the one of that name.
    pub(crate) fn other_uid(key: &Key, told: &str, record: &str) -> Self {
        let path = format!(
            "/registry/{}/{}/{}",
            key.resource.plural(),
            key.namespace,
            key.name
        );
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {path}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {told}, UID in object meta: {record}"
        );
        Self::conflict(key, &key.resource.qualified(), &why).of(key)
    }

    /// A whole object without the version that it was made from, where that is not allowed.
    pub(crate) fn needs_version(key: &Key) -> Self {
        let cause = Cause::invalid(
            "metadata.resourceVersion",
            &json!(0),
            "must be specified for an update",
        );
        let (plural, group) = (key.resource.plural(), key.resource.group());
        Self::broken(plural, group, &key.name, &[cause])
    }

    fn conflict(key: &Key, what: &str, why: &str) -> Self {
        let name = &key.name;
        let message = format!("Operation cannot be fulfilled on {what} \"{name}\": {why}");
        Self::new(409, "Conflict", message)
    }

    /// An object that breaks rules.
    pub(crate) fn invalid(resource: Resource, name: &str, causes: &[Cause]) -> Self {
        Self::broken(resource.kind(), resource.group(), name, causes)
    }

    /// Parameters of a request that break rules, such as `DeleteOptions`.
    pub(crate) fn invalid_options(kind: &str, cause: Cause) -> Self {
        Self::broken(kind, "meta.k8s.io", "", &[cause])
    }

    fn broken(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let all: Vec<_> = causes.iter().map(Cause::to_string).collect();
        let list = match all.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let dot = if group.is_empty() { "" } else { "." };
        let message = format!("{kind}{dot}{group} \"{name}\" is invalid: {list}");
        let mut status = Self::new(422, "Invalid", message).about(name, group, kind);
        let causes = causes.iter().map(Cause::to_value).collect();
        status.details.insert("causes".to_owned(), causes);
        status
    }

    /// A patch that can't be applied to what is there.
    pub(crate) fn inapplicable_patch() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn version_too_large(version: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {version}, current: {current}");
        Self::new(504, "Timeout", message).retry_after(1)
    }

    pub(crate) fn too_many_requests(retry_after_seconds: u32) -> Self {
        let message = "Too many requests, please try again later.";
        Self::new(429, "TooManyRequests", message).retry_after(retry_after_seconds)
    }

    pub(crate) fn forbidden(key: &Key, why: &str) -> Self {
        let what = key.resource.qualified();
        let name = match key.name.as_str() {
            "" => String::new(),
            name => format!(" \"{name}\""),
        };
        Self::new(
            403,
            "Forbidden",
            format!("{what}{name} is forbidden: {why}"),
        )
        .of(key)
    }

    pub(crate) fn denied(webhook: &str) -> Self {
        let message = format!("admission webhook \"{webhook}\" denied the request: not allowed");
        Self::new(403, "Forbidden", message)
    }

    pub(crate) fn internal(why: &str) -> Self {
        Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {why}"),
        )
    }

    /// An error that the server does not classify.
    pub(crate) fn unclassified(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub(crate) fn unavailable() -> Self {
        let message = "the server is currently unable to handle the request";
        Self::new(503, "ServiceUnavailable", message)
    }

    pub(crate) fn timeout() -> Self {
        let message = "Timeout: request did not complete within requested timeout - context deadline exceeded";
        Self::new(504, "Timeout", message)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for Status {}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    reason: &'static str,
    field: String,
    message: String,
}

impl Cause {
    /// `value` is the text or the JSON of what is there.
    pub(crate) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.to_owned(),
            message: format!("Invalid value: {value}: {why}"),
        }
    }

    pub(crate) fn required(field: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueRequired",
            field: field.to_owned(),
            message: format!("Required value: {why}"),
        }
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self {
            reason: "FieldValueRequired",
            field: field.to_owned(),
            message: "Required value".to_owned(),
        }
    }

    pub(crate) fn forbidden(field: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.to_owned(),
            message: format!("Forbidden: {why}"),
        }
    }

    pub(crate) fn unsupported(field: &str, value: &str, supported: &str) -> Self {
        Self {
            reason: "FieldValueNotSupported",
            field: field.to_owned(),
            message: format!("Unsupported value: \"{value}\": supported values: {supported}"),
        }
    }

    fn to_value(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message, "field": self.field })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}
