//! What cannot be judged is said to be so, in a sentence that names what is wrong; it is never judged.

use anyhow::Result;
use serde_json::{Value, json};
use temper_e2e::{
    Stage,
    analysis::{Measurement, Status},
    fleet::Regression,
};

use crate::quick;

/// A way to get it wrong, and words that the plugin's sentence must hold.
struct Mistake {
    name: &'static str,
    make: fn(&mut Value),
    answer: &'static str,
    words: &'static [&'static str],
}

const MISTAKES: [Mistake; 7] = [
    Mistake {
        name: "unknown-key",
        make: |config| config["erors"] = json!({ "maxRatio": 2 }),
        answer: "Error",
        words: &["unknown key `erors`", "did you mean `errors`"],
    },
    Mistake {
        name: "value-that-is-no-percentage",
        make: |config| config["falseRollbackRate"] = json!("often"),
        answer: "Error",
        words: &["falseRollbackRate", "often"],
    },
    Mistake {
        name: "empty-selector",
        make: |config| config["errors"]["total"] = json!(""),
        answer: "Error",
        words: &["`errors.total`", "empty"],
    },
    Mistake {
        name: "template-for-another-plugin",
        make: |config| *config = json!({ "address": "http://prometheus:9090", "query": "up" }),
        answer: "Error",
        words: &["another plugin", "`address`"],
    },
    Mistake {
        name: "both-arms-the-same-pods",
        make: |config| config["arms"]["stable"] = config["arms"]["canary"].clone(),
        answer: "Error",
        words: &["`arms`", "same pods"],
    },
    Mistake {
        name: "no-such-metric",
        make: |config| {
            config["horizon"] = json!("3s");
            config["errors"]["total"] = json!("queue_request_total");
            config["errors"]["errors"] = json!(r#"queue_request_total{status="error"}"#);
        },
        answer: "Inconclusive",
        words: &["no series is named queue_request_total"],
    },
    Mistake {
        name: "no-such-pods",
        make: |config| {
            config["horizon"] = json!("3s");
            config["arms"]["canary"] = json!(r#"rollouts_pod_template_hash="0000000000""#);
        },
        answer: "Inconclusive",
        words: &["queue_requests_total exists", "select no series"],
    },
];

#[tokio::test]
async fn mistakes_are_answered_with_a_sentence_and_never_with_a_verdict() {
    let stage = Stage::open(Regression::Errors).await.unwrap();
    for mistake in &MISTAKES {
        let answer = answer_to(&stage, mistake).await.unwrap();
        assert_eq!(
            answer.phase, mistake.answer,
            "{}: {}",
            mistake.name, answer.message
        );
        for word in mistake.words {
            let message = &answer.message;
            assert!(
                message.contains(word),
                "{}: {word} is not in: {message}",
                mistake.name
            );
        }
    }
}

async fn answer_to(stage: &Stage, mistake: &Mistake) -> Result<Measurement> {
    let configure = |config: &mut Value| {
        quick(config);
        (mistake.make)(config);
    };
    let analysis = stage.analyse(mistake.name, configure).await?;
    let status = analysis
        .until("it is answered", |status| answer(status).is_some())
        .await?;
    Ok(answer(&status).unwrap_or_default())
}

/// The first measurement that is over. The controller repeats one that was an error, so the run goes on.
fn answer(status: &Status) -> Option<Measurement> {
    status
        .measurements()
        .find(|measurement| measurement.ended())
        .cloned()
}
