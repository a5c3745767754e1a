/** The form in which handles are compared and kept unique; handles are ASCII, so this is stable over versions. */
export function foldHandle(handle: string): string {
  return handle.toLowerCase();
}
