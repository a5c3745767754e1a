/** All lines in one `ip` process, which is what keeps set-up below a second. */
export function batch(lines: readonly string[], family: '' | '-6 ' = ''): string {
  return `ip ${family}-batch - <<'BATCH'\n${lines.join('\n')}\nBATCH`;
}

/** All rules in one transaction of nftables. */
export function rules(text: string): string {
  return `nft -f - <<'RULES'\n${text}RULES`;
}

/** Commands in the network namespace of a machine of the lab. */
export function inHost(host: string, commands: readonly string[]): string {
  return `nsenter --net=/run/netns/${host} sh -eu <<'HOST'\n${commands.join('\n')}\nHOST`;
}

/**
 * Some kernels show bridged packets to the rules of IP, and then bridge what these rules send back to the same bridge, in place of
 * routing it (br_netfilter). The setting exists only there.
 */
export const NO_RULES_FOR_BRIDGED = `for setting in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do
  if [ -e "$setting" ]; then echo 0 > "$setting"; fi
done`;
