//! PEM in a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// PEM text, decoded from base64 if necessary. The error does not quote the text.
pub(crate) fn pem(text: &str) -> Result<String, String> {
    if text.contains("-----BEGIN ") {
        return Ok(text.to_owned());
    }
    let compact: String = text.split_whitespace().collect();
    let decoded = STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .filter(|text| text.contains("-----BEGIN "))
        .ok_or_else(|| "expected PEM (-----BEGIN ...), or PEM in base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pem_plain_and_in_base64() {
        let text = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n";
        assert_eq!(pem(text).unwrap(), text);
        let mut wrapped = STANDARD.encode(text);
        wrapped.insert(20, '\n');
        assert_eq!(pem(&wrapped).unwrap(), text);
        assert!(pem("hunter2").is_err());
        assert!(pem(&STANDARD.encode("hunter2")).is_err());
    }
}
