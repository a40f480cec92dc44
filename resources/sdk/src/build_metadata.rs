//! The metadata of the build, which Concourse sets in the environment of a step.

use std::env;
use std::fmt::Write as _;

use crate::encoding::percent_encode;

/// The build of a step, from the `BUILD_*` variables and `ATC_EXTERNAL_URL`.
///
/// Every field is optional: a check belongs to no build, and a one-off build to no job and no pipeline.
/// See the section "Metadata" of Concourse's documentation on implementing resource types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildMetadata {
    /// `BUILD_ID`: the number of the build in the installation.
    pub id: Option<String>,
    /// `BUILD_NAME`: the number of the build in its job, such as `42` or `42.1`.
    pub name: Option<String>,
    /// `BUILD_JOB_ID`.
    pub job_id: Option<String>,
    /// `BUILD_JOB_NAME`.
    pub job_name: Option<String>,
    /// `BUILD_PIPELINE_ID`.
    pub pipeline_id: Option<String>,
    /// `BUILD_PIPELINE_NAME`.
    pub pipeline_name: Option<String>,
    /// `BUILD_PIPELINE_INSTANCE_VARS`: a JSON object.
    pub pipeline_instance_vars: Option<String>,
    /// `BUILD_TEAM_ID`.
    pub team_id: Option<String>,
    /// `BUILD_TEAM_NAME`.
    pub team_name: Option<String>,
    /// `BUILD_CREATED_BY`: who started it, if the resource sets `expose_build_created_by`.
    pub created_by: Option<String>,
    /// `BUILD_STATUS`: in hooks, the status of the build so far.
    pub status: Option<String>,
    /// `BUILD_URL`.
    pub url: Option<String>,
    /// `BUILD_URL_SHORT`.
    pub url_short: Option<String>,
    /// `ATC_EXTERNAL_URL`: the URL of Concourse, without a slash at its end.
    pub external_url: Option<String>,
}

impl BuildMetadata {
    /// Reads it from the environment. Empty variables count as absent.
    pub(crate) fn from_environment() -> Self {
        Self::from_lookup(|name| env::var(name).ok())
    }

    /// Reads it by a lookup function for variables.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        Self {
            id: get("BUILD_ID"),
            name: get("BUILD_NAME"),
            job_id: get("BUILD_JOB_ID"),
            job_name: get("BUILD_JOB_NAME"),
            pipeline_id: get("BUILD_PIPELINE_ID"),
            pipeline_name: get("BUILD_PIPELINE_NAME"),
            pipeline_instance_vars: get("BUILD_PIPELINE_INSTANCE_VARS"),
            team_id: get("BUILD_TEAM_ID"),
            team_name: get("BUILD_TEAM_NAME"),
            created_by: get("BUILD_CREATED_BY"),
            status: get("BUILD_STATUS"),
            url: get("BUILD_URL"),
            url_short: get("BUILD_URL_SHORT"),
            external_url: get("ATC_EXTERNAL_URL").map(|url| url.trim_end_matches('/').to_owned()),
        }
    }

    /// The URL of the build: `BUILD_URL`, or else a URL from the other variables, instance vars included. The URL of a one-off
    /// build is `/builds/ID`.
    pub fn build_url(&self) -> Option<String> {
        if let Some(url) = &self.url {
            return Some(url.clone());
        }
        let base = self.external_url.as_deref()?;
        match (&self.team_name, &self.pipeline_name, &self.job_name, &self.name) {
            (Some(team), Some(pipeline), Some(job), Some(name)) => {
                let [team, pipeline, job, name] = [team, pipeline, job, name].map(|part| percent_encode(part, ""));
                let mut url = format!("{base}/teams/{team}/pipelines/{pipeline}/jobs/{job}/builds/{name}");
                if let Some(vars) = &self.pipeline_instance_vars {
                    let _ = write!(url, "?vars={}", percent_encode(vars, ""));
                }
                Some(url)
            }
            _ => self.id.as_ref().map(|id| format!("{base}/builds/{}", percent_encode(id, ""))),
        }
    }

    /// The value of a variable by its name in the environment; `None` for any other name.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let field = match name {
            "BUILD_ID" => &self.id,
            "BUILD_NAME" => &self.name,
            "BUILD_JOB_ID" => &self.job_id,
            "BUILD_JOB_NAME" => &self.job_name,
            "BUILD_PIPELINE_ID" => &self.pipeline_id,
            "BUILD_PIPELINE_NAME" => &self.pipeline_name,
            "BUILD_PIPELINE_INSTANCE_VARS" => &self.pipeline_instance_vars,
            "BUILD_TEAM_ID" => &self.team_id,
            "BUILD_TEAM_NAME" => &self.team_name,
            "BUILD_CREATED_BY" => &self.created_by,
            "BUILD_STATUS" => &self.status,
            "BUILD_URL" => &self.url,
            "BUILD_URL_SHORT" => &self.url_short,
            "ATC_EXTERNAL_URL" => &self.external_url,
            _ => return None,
        };
        field.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(variables: &[(&str, &str)]) -> BuildMetadata {
        BuildMetadata::from_lookup(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const JOB: [(&str, &str); 5] = [
        ("ATC_EXTERNAL_URL", "https://ci.example/"),
        ("BUILD_TEAM_NAME", "main"),
        ("BUILD_PIPELINE_NAME", "a b"),
        ("BUILD_JOB_NAME", "unit"),
        ("BUILD_NAME", "42.1"),
    ];

    #[test]
    fn build_url_is_the_variable_if_set() {
        assert_eq!(metadata(&[("BUILD_URL", "https://x/1")]).build_url().as_deref(), Some("https://x/1"));
    }

    #[test]
    fn build_url_is_built_from_parts_with_instance_vars() {
        let mut variables = JOB.to_vec();
        let page = "https://ci.example/teams/main/pipelines/a%20b/jobs/unit/builds/42.1";
        assert_eq!(metadata(&variables).build_url().as_deref(), Some(page));
        variables.push(("BUILD_PIPELINE_INSTANCE_VARS", r#"{"a":"b"}"#));
        let with_vars = format!("{page}?vars=%7B%22a%22%3A%22b%22%7D");
        assert_eq!(metadata(&variables).build_url(), Some(with_vars));
    }

    #[test]
    fn build_url_of_a_one_off_build_has_its_id_and_a_check_has_none() {
        let one_off = metadata(&[("ATC_EXTERNAL_URL", "https://ci.example"), ("BUILD_ID", "7")]);
        assert_eq!(one_off.build_url().as_deref(), Some("https://ci.example/builds/7"));
        assert_eq!(metadata(&[]).build_url(), None);
    }

    #[test]
    fn treats_an_empty_variable_as_absent() {
        assert_eq!(metadata(&[("BUILD_ID", "")]), BuildMetadata::default());
    }
}
