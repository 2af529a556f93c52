package io.meanstream.bench;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** Assigns each point, and learns from a mini-batch of them at a time. */
final class AssignPoints implements Processor<byte[], byte[], byte[], byte[]> {
  private static final int BATCH_ROWS = 8192;
  private static final Duration LEARN_EVERY = Duration.ofMillis(100);

  private final OnlineModel model;
  private final PointFormat format;
  private final float[] point;
  private final StringBuilder json = new StringBuilder(256);
  private ProcessorContext<byte[], byte[]> context;
  private KeyValueStore<Integer, byte[]> store;

  AssignPoints(OnlineModel model, PointFormat format) {
    this.model = model;
    this.format = format;
    this.point = new float[model.dims];
  }

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    this.store = context.getStateStore(Peer.CENTROIDS);
    try (KeyValueIterator<Integer, byte[]> all = store.all()) {
      all.forEachRemaining(entry -> model.restore(entry.key, entry.value));
    }
    context.schedule(LEARN_EVERY, PunctuationType.WALL_CLOCK_TIME, now -> learn());
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    try {
      format.read(record.value(), point);
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
    model.assign(point);
    context.forward(record.withValue(assignment(record)));
    model.add(point);
    if (model.added() >= BATCH_ROWS) {
      learn();
    }
  }

  private void learn() {
    model.learn(store::put);
  }

  private byte[] assignment(Record<byte[], byte[]> record) {
    RecordMetadata source = context.recordMetadata().orElseThrow();
    json.setLength(0);
    json.append("{\"key\":\"")
        .append(new String(record.key(), StandardCharsets.ISO_8859_1))
        .append("\",\"clusterId\":\"c")
        .append(model.label)
        .append("\",\"distance\":")
        .append(model.distance)
        .append(",\"margin\":")
        .append(model.margin)
        .append(",\"outlierScore\":")
        .append(model.outlierScore)
        .append(",\"modelVersion\":\"")
        .append(model.version())
        .append("\",\"partition\":")
        .append(source.partition())
        .append(",\"offset\":")
        .append(source.offset())
        .append(",\"timestamp\":")
        .append(record.timestamp())
        .append('}');
    return json.toString().getBytes(StandardCharsets.ISO_8859_1);
  }
}
