//! The parts of a document that a plan keeps as they are, packed.

use super::{
    Action, Adopt, ApiSettings, Bridge, Compared, Consent, ConsentMode, CookieForm, CookieJson, CrawlerPolicy,
    HeaderSettings, OriginChange, PageSubject, Preview, Redirect, RewriteStep, TokenAlgorithm, UserToken,
    VisitorSettings,
};
use crate::pack::packed;

packed!(struct VisitorSettings {
    cookie, max_age_days, domain, http_only, signed, user_cookie, user_header, user_signed, user_jwt, read, adopt
});
packed!(struct Adopt { from, cookie, names });
packed!(
    enum Compared {
        Cookie(name) = 0,
        Header(name) = 1,
        Tool(tool) = 2,
        Nothing = 3,
    }
);
packed!(
    enum CookieForm {
        Text(form) = 0,
        Json(form) = 1,
    }
);
packed!(struct CookieJson { json });
packed!(struct UserToken { cookie, header, claim, alg, key, iss, aud });
packed!(
    enum TokenAlgorithm {
        HS256 = 0,
        RS256 = 1,
        ES256 = 2,
    }
);
packed!(struct Consent { cookie, granted, honor_gpc, mode });
packed!(
    enum ConsentMode {
        Strict = 0,
        Hold = 1,
    }
);
packed!(
    enum CrawlerPolicy {
        Control = 0,
        Baseline = 1,
        Mirror = 2,
    }
);
packed!(struct HeaderSettings { to_origin, to_client });
packed!(
    enum Bridge {
        None = 0,
        Attribute = 1,
        Script = 2,
    }
);
packed!(
    enum Preview {
        Signed = 0,
        Open = 1,
        Off = 2,
    }
);
packed!(struct ApiSettings { cors_origins, max_age_seconds });
packed!(struct RewriteStep { select, action, value, name, html });
packed!(
    enum Action {
        SetText = 0,
        SetHtml = 1,
        Before = 2,
        After = 3,
        Prepend = 4,
        Append = 5,
        Replace = 6,
        Remove = 7,
        SetAttribute = 8,
        RemoveAttribute = 9,
        AddClass = 10,
        RemoveClass = 11,
    }
);
packed!(struct Redirect { to, status });
packed!(struct OriginChange { url, path_prefix, timeout_ms });
packed!(
    enum PageSubject {
        Path = 0,
        Url = 1,
        Query = 2,
    }
);
