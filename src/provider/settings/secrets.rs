//! What a source's configuration may hold that came from a Secret.

use serde_json::{Map, Value};

/// What is shorter is hardly a secret, but may well be a part of any number or word.
const SHORTEST: usize = 8;

/// The texts in a source that nobody should see: each header whole and without its scheme (`Bearer`), and
/// what stands before the `@` of an address.
pub(super) fn secrets(source: &Value) -> Vec<String> {
    let kinds = source.as_object().into_iter().flat_map(Map::values);
    let texts = kinds.flat_map(|kind| {
        let headers = kind["headers"]
            .as_object()
            .into_iter()
            .flat_map(Map::values)
            .filter_map(Value::as_str);
        let whole_and_last =
            headers.flat_map(|header| [Some(header), header.split_whitespace().last()]);
        whole_and_last
            .chain(credentials(kind["address"].as_str().unwrap_or_default()))
            .flatten()
    });
    texts
        .filter(|text| text.len() >= SHORTEST)
        .map(str::to_owned)
        .collect()
}

/// User and password of an address, together and the password alone.
fn credentials(address: &str) -> [Option<&str>; 2] {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    let user_info = authority.rsplit_once('@').map(|(user_info, _)| user_info);
    [
        user_info,
        user_info
            .and_then(|user_info| user_info.split_once(':'))
            .map(|(_, password)| password),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_and_credentials_are_secret() {
        let source = json!({ "prometheus": {
            "address": "http://reader:horse-battery@prometheus:9090",
            "headers": { "Authorization": "Bearer correct-horse", "X-Scope-OrgID": "1" },
        } });
        let found = secrets(&source);
        assert_eq!(
            found,
            [
                "Bearer correct-horse",
                "correct-horse",
                "reader:horse-battery",
                "horse-battery"
            ]
        );
    }

    #[test]
    fn sources_of_any_shape_are_searched() {
        for source in [
            json!(null),
            json!([]),
            json!({ "prometheus": 1 }),
            json!({ "prometheus": { "headers": [1] } }),
        ] {
            assert!(secrets(&source).is_empty());
        }
    }
}
