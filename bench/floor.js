// The floor: what any worker in front of a site costs.
export default { fetch: (request) => fetch(request) };
