//! Variant origins: another place to fetch the page from, and the way back where it fails.

use super::{HeaderChange, Intent, VISITOR};
use crate::decide::Decision;
use crate::plan::{ExperimentAt, Plan};
use crate::url::Url;
use std::borrow::Cow;

/// What Cloudflare answers for an origin that refused the connection, could not be found, or had no certificate that holds:
/// it never had the request. 520, 522 and 524 leave that open.
/// <https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/>
const NEVER_REACHED: [u16; 5] = [521, 523, 525, 526, 530];

/// Another place to fetch the page from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantOrigin {
    /// The experiment whose variant it is, by position in the plan.
    pub experiment: ExperimentAt,
    /// A base URL in place of the origin's; `None`: the same origin.
    pub base: Option<Box<str>>,
    /// What goes before the page's path.
    pub path_prefix: Box<str>,
    /// How long it may take to answer, in milliseconds; `None`: as long as it likes, since the request cannot be repeated.
    pub timeout_ms: Option<u32>,
    /// Whether it may see the shop's cookies and credentials.
    pub trusted: bool,
}

impl Intent {
    /// Where the page is fetched from, if not from the origin. Of several experiments the one of highest priority says.
    #[must_use]
    pub fn variant_origin(&self, plan: &Plan) -> Option<VariantOrigin> {
        self.treatments(plan).find_map(|treatment| {
            let origin = treatment.variant.origin.as_ref()?;
            let here = Url::split(&self.url);
            Some(VariantOrigin {
                experiment: treatment.experiment,
                base: origin.url.as_deref().map(Into::into),
                path_prefix: origin.path_prefix.as_deref().unwrap_or("").trim_end_matches('/').into(),
                // why: an order that is given up may still be taken
                timeout_ms: self.is_repeatable().then_some(origin.timeout_ms),
                trusted: origin.url.as_deref().is_none_or(|url| is_trusted(url, &here, plan)),
            })
        })
    }

    /// Whether the request may be sent to another origin after one has had it (RFC 9110, section 9.2.2): a POST that is sent
    /// twice may order twice.
    fn is_repeatable(&self) -> bool {
        matches!(&*self.method, "GET" | "HEAD" | "PUT" | "DELETE")
    }

    /// Whether what a variant origin answered is the visitor's answer, or the control origin has to be asked. `status`: 0
    /// where no answer came.
    #[must_use]
    pub fn is_answered(&self, status: u16) -> bool {
        match status {
            1..500 => true,
            _ if self.is_repeatable() => false,
            status => !NEVER_REACHED.contains(&status),
        }
    }

    /// Takes an experiment out whose variant could not be served: nothing of it is done or told. The visitor keeps the
    /// assignment, and is exposed as assigned: whoever left out those whom the failure met would compare other people.
    pub fn withdraw(&mut self, plan: &Plan, experiment: ExperimentAt) {
        self.fallen_back.push(experiment);
        self.retell(plan);
    }

    /// The decisions but those whose variant could not be served: of these the failure was counted, and the answer that
    /// came after it is the control's.
    #[must_use]
    pub fn served(&self) -> Cow<'_, [Decision]> {
        if self.fallen_back.is_empty() {
            return Cow::Borrowed(&self.decisions);
        }
        self.decisions.iter().filter(|decision| !self.fell_back(decision.experiment)).copied().collect()
    }

    /// Whether the variant of an experiment could not be served.
    #[must_use]
    pub fn fell_back(&self, experiment: ExperimentAt) -> bool {
        self.fallen_back.contains(&experiment)
    }
}

impl VariantOrigin {
    /// What an origin of another site must not see, and what it must not set.
    pub fn without_credentials(&self, changes: &mut Vec<HeaderChange>) {
        if !self.trusted {
            // why: the visitor id is what the cookie says
            for name in ["Cookie", "Authorization", "Proxy-Authorization", VISITOR] {
                changes.push(HeaderChange::Remove(name));
            }
        }
    }
}

/// Whether a URL belongs to the shop's own site: the cookie domain where the document names one, else the page's host
/// without `www.`, and what is below it. Two hosts of one registrable domain that are not below each other count as
/// foreign, because only a list of all public suffixes could tell `b.shop.example` from `other.co.uk`.
fn is_trusted(url: &str, here: &Url<'_>, plan: &Plan) -> bool {
    let site = plan.visitor.domain.as_deref().map(|domain| domain.trim_start_matches('.'));
    let site = site.unwrap_or_else(|| here.host_name().strip_prefix("www.").unwrap_or(here.host_name()));
    let host = Url::split(url).host_name();
    host == site || host.strip_suffix(site).is_some_and(|below| below.ends_with('.'))
}
