package io.meanstream.bench;

import java.util.HashMap;
import java.util.Map;

/** Arguments as name=value. */
final class Options {
  private Options() {}

  static Map<String, String> of(String[] args) {
    Map<String, String> options = new HashMap<>();
    for (String arg : args) {
      int at = arg.indexOf('=');
      options.put(arg.substring(0, at), arg.substring(at + 1));
    }
    return options;
  }
}
