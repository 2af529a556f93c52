package io.meanstream.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** How a point is read, into an array that the caller keeps. */
enum PointFormat {
  float32 {
    @Override
    void read(byte[] value, float[] into) {
      if (value.length != 4 * into.length) {
        throw new IllegalArgumentException(value.length + " bytes");
      }
      for (int d = 0; d < into.length; d++) {
        into[d] = (float) FLOAT.get(value, 4 * d);
      }
    }
  },
  json {
    @Override
    void read(byte[] value, float[] into) throws IOException {
      try (JsonParser parser = JSON.createParser(value)) {
        while (parser.nextToken() != JsonToken.START_ARRAY) {
          if (parser.currentToken() == null) {
            throw new IllegalArgumentException("no vector");
          }
        }
        for (int d = 0; d < into.length; d++) {
          parser.nextToken();
          into[d] = parser.getFloatValue();
        }
      }
    }
  };

  private static final VarHandle FLOAT =
      MethodHandles.byteArrayViewVarHandle(float[].class, ByteOrder.LITTLE_ENDIAN);
  private static final JsonFactory JSON = new JsonFactory();

  abstract void read(byte[] value, float[] into) throws IOException;
}
