// OpenFeature's flags for tests as a document of ours: each flag an experiment of the kind `release`.

/** The conditions that the flags have, in our language; one that is not listed is a reason to fail. */
const CONDITIONS = {
  "email == 'ballmer@macrosoft.com'": { "custom.email": "ballmer@macrosoft.com" },
  "!customer && email == 'ballmer@macrosoft.com' && age > 10": {
    "custom.customer": false,
    "custom.email": "ballmer@macrosoft.com",
    "custom.age": { $gt: 10 },
  },
};

/**
 * The document of flags. A flag without targeting gives everybody one variant, which is what a `winner` is; one with
 * targeting forces it for whom the condition meets, and everybody else is not in it and has its first variant.
 */
export function documentOfFlags(flags) {
  const experiments = Object.entries(flags).map(([key, flag]) => {
    const first = flag.defaultVariant ?? Object.keys(flag.variants)[0];
    const names = [first, ...Object.keys(flag.variants).filter((name) => name !== first)];
    const variants = names.map((id) => ({ id, weight: 1, payload: flag.variants[id] }));
    const e = { id: key, kind: "release", status: flag.disabled ? "paused" : "running", variants };
    if (!flag.contextEvaluator)
      return flag.defaultVariant ? { ...e, winner: flag.defaultVariant } : { ...e, traffic: 0 };
    const [, condition, variant] = /^(.*) \? '(.*)' : ''$/.exec(flag.contextEvaluator);
    const audience = CONDITIONS[condition];
    if (!audience) throw new Error(`flags.mjs has no condition for ${condition}`);
    return { ...e, traffic: 0, overrides: [{ audience, variant }] };
  });
  return { version: 1, project: "openfeature", revision: "flags-1", experiments };
}
