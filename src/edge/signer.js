/**
 * What a link or a form is signed with, where a token is what makes it good. With the shop's secret in it, nobody who has
 * a link can try out tokens against it at home.
 */
export const signer = (env, token) => `${env.SORTITION_SECRET ?? ""}/${token}`;
