//! Joins the host's protocol with Argo's contract.

use std::process::ExitCode;
use std::sync::Arc;

use temper_go_plugin::{DecodeError, Handshake, Plugin, Reply, Service, hclog};
use temper_gob::Decoder;
use temper_rollouts::{Call, CallError, Terms, answer};

use crate::provider::Judge;

/// What the controller and its metric plugins agree on.
pub(crate) const HANDSHAKE: Handshake = Handshake {
    cookie_key: "ARGO_ROLLOUTS_RPC_PLUGIN",
    cookie_value: "metricprovider",
    app_protocol: 1,
};

/// By this name the controller asks for a metric provider.
const NAME: &str = "RpcMetricProviderPlugin";

/// What stands before the method in a call.
const SERVICE: &str = "Plugin.";

/// Serves the host that started this process until it is done with us. One thread is enough: what takes time is waiting
/// for sources.
pub(crate) fn serve() -> anyhow::Result<ExitCode> {
    hclog::log_panics();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let provider = Provider {
        judge: Judge::default(),
        terms: Terms::new(),
    };
    runtime.block_on(Plugin::new(HANDSHAKE, NAME, provider).run())?;
    Ok(ExitCode::SUCCESS)
}

struct Provider {
    judge: Judge,
    terms: Terms,
}

impl Service for Provider {
    type Call = Call;

    fn decode(&self, method: &str, body: &mut Decoder) -> Result<Option<Call>, DecodeError> {
        let method = method
            .strip_prefix(SERVICE)
            .ok_or(DecodeError::UnknownMethod)?;
        Call::decode(method, body).map_err(|error| match error {
            CallError::Body { source, .. } => DecodeError::Body(source),
            _ => DecodeError::UnknownMethod,
        })
    }

    async fn call(self: Arc<Self>, call: Call) -> Result<Reply, String> {
        let reply = answer(&self.judge, call, &self.terms).await;
        Ok(Reply::new(reply.gob_type(), reply))
    }
}
