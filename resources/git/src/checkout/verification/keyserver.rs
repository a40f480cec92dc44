//! Fetches GPG keys from a keyserver (HKP, draft-shaw-openpgp-hkp-00).

use jetway::http::{HttpSettings, StatusCode, StatusError};
use jetway::{Advise as _, Context, Result, anyhow};

use crate::source::key_id::{KeyId, keyserver_url};
use crate::source::openpgp::{self, PublicKey};

/// The size limit of the response, in bytes. Keys with many signatures are large, but smaller than this.
const MAX_RESPONSE_BYTES: u64 = 8 * 1024 * 1024;

/// Fetches the key with this id. Any other key in the response is ignored.
pub(crate) async fn fetch(context: &Context, settings: HttpSettings, keyserver: &str, id: &KeyId) -> Result<PublicKey> {
    let base = keyserver_url(keyserver).map_err(|problem| anyhow!("`gpg_keyserver` {problem}"))?;
    let what = format!("cannot fetch the GPG key `{}` from `{keyserver}`", id.digits());
    let request = context.http(settings)?.get(format!("{base}/pks/lookup"));
    let request = request.query("op", "get").query("options", "mr").query("search", format!("0x{}", id.digits()));
    let response = request.send().await.map_err(|error| {
        let is_unknown =
            error.downcast_ref::<StatusError>().is_some_and(|error| error.status() == StatusCode::NOT_FOUND);
        let error = error.context(what.clone());
        if is_unknown { error.hint("put a key that is not published into `commit_verification_keys`") } else { error }
    })?;
    let text = String::from_utf8_lossy(
        &response.bytes(MAX_RESPONSE_BYTES).await.map_err(|error| error.context(what.clone()))?,
    )
    .into_owned();
    let keys = openpgp::public_keys(&text).map_err(|found| anyhow!("the server sent {found}").context(what.clone()))?;
    let others = keys.iter().map(|key| key.fingerprint.clone()).collect::<Vec<_>>().join(", ");
    keys.into_iter().find(|key| id.names(key)).ok_or_else(|| {
        anyhow!("the server sent another key: {others}")
            .context(what)
            .hint("give the fingerprint of the primary key, not that of a subkey")
    })
}
